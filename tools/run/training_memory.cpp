// What a run holds on the CPU, and the patch that fits beside it.
#include <sys/resource.h>

#include <algorithm>

#include "engine/ranks/communicator.h"
#include "kernels/base/check.h"
#include "tools/run/first_rank.h"
#include "tools/run/largest_extents.h"
#include "tools/run/run_ranks.h"
#include "tools/run/training.h"

namespace vox {

std::size_t peak_resident_bytes() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<std::size_t>(used.ru_maxrss) * 1024;  // Linux counts KiB
}

HostHolds Training::holds() const {
  HostHolds host{.samples_per_epoch = loader_->samples_per_epoch(),
                 .batches_in_flight = loader_->batches_in_flight(),
                 .scratch_bytes = loader_->scratch_bytes()};
  if (is_cube(recipe_)) { return host; }
  const UNetConfig net = unet_config(options_);
  for (const auto& file : val_files_) {
    host.validation_bytes =
        std::max(host.validation_bytes, validation_bytes(PreparedFile(file).info().mapping.size, net.in_channels,
                                                         net.classes, {.window = step_extents(options_)}));
  }
  return host;
}

void Training::find_patch(const MemoryLimit& limit) {
  const Extents shape = median_extents(train_files_);
  const auto fits = [&](const Extents& patch) {
    options_.patch.assign(patch.begin(), patch.end());
    make_loader();
    // On every rank or on none: they go on together.
    const std::vector<std::string> fits_there =
        gather(ranks_, run_fits(step_request(options_, device_, &ranks_), holds(), limit) ? "y" : "n");
    return std::ranges::all_of(fits_there, [](const std::string& s) { return s == "y"; });
  };
  const auto found = largest_extents(shape, size_divisor(unet_config(options_)), fits);
  if (!found) {
    fail<MemoryError>(__FILE__, __LINE__,
                      fmt::format("--patch auto: not even patches of {} fit into {} ({}); a smaller --batch or "
                                  "--micro-batch might, or fewer channels",
                                  fmt::join(options_.patch, "x"), bytes_text(limit.bytes), limit.source));
  }
  options_.patch.assign(found->begin(), found->end());
  notes_.push_back(
      fmt::format("--patch auto: {} is the largest that fits into {} ({}), of no more than {}, the median "
                  "of the cases to train",
                  extents_text(*found), bytes_text(limit.bytes), limit.source, extents_text(shape)));
}

}  // namespace vox
