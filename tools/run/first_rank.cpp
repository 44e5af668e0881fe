#include "tools/run/first_rank.h"

#include <fmt/ranges.h>

#include <array>
#include <span>
#include <vector>

#include "engine/dispatch.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

void take_of_first(Communicator& ranks, const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& t : tensors) {
    Tensor here(t.tensor.shape(), t.tensor.dtype(), Device::cpu, t.tensor.layout());
    if (ranks.rank() == 0) { here.assign(t.tensor); }
    dispatch_type(here.dtype(),
                  [&]<class T>(TypeTag<T>) { ranks.broadcast(std::as_writable_bytes(here.mutable_values<T>()), 0); });
    if (ranks.rank() != 0) { Tensor(t.tensor).assign(here); }
  }
}

}  // namespace

void take_state_of_first(Communicator& ranks, UNet3d& net, Optimizer& optimizer, WeightAverage* average) {
  if (ranks.size() == 1) { return; }
  take_of_first(ranks, net.parameters());
  take_of_first(ranks, net.buffers());
  take_of_first(ranks, optimizer.state());
  if (average != nullptr) { take_of_first(ranks, average->state()); }
  std::array<std::int64_t, 1> steps{optimizer.steps()};
  ranks.broadcast(std::as_writable_bytes(std::span(steps)), 0);
  optimizer.set_steps(steps[0]);
}

void check_digest(Communicator& ranks, const std::string& digest, std::int64_t step) {
  if (ranks.size() == 1) { return; }
  const std::vector<std::string> all = gather(ranks, digest);
  std::vector<std::size_t> others;
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (all[r] != all[0]) { others.push_back(r); }
  }
  VOX_CHECK(others.empty(),
            "after step {} the weights of {} {} are not those of rank 0, which they must be to the bit: a machine "
            "computes wrongly, or its program is another; the last checkpoint is untouched",
            step, others.size() == 1 ? "rank" : "ranks", fmt::join(others, ", "));
}

}  // namespace vox
