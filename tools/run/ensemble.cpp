#include "tools/run/ensemble.h"

#include <algorithm>

#include "kernels/base/check.h"

namespace vox {
namespace {

std::string text_of(const Segmenter& s) {
  return fmt::format("{} at {} of {}, {} {}", name(s.recipe().kind), s.recipe().size,
                     modality_list(s.recipe().modalities), s.config().classes,
                     s.config().targets == Targets::regions ? "regions" : "classes");
}

}  // namespace

Ensemble::Ensemble(const std::vector<std::filesystem::path>& runs_or_files, Device device, Fusion fusion) {
  VOX_CHECK(!runs_or_files.empty(), "ensemble: of no networks");
  members_.reserve(runs_or_files.size());
  for (const auto& path : runs_or_files) { members_.emplace_back(path, device, fusion); }
  const Segmenter& first = members_.front();
  for (const Segmenter& s : members_) {
    VOX_CHECK_DATA(s.recipe() == first.recipe() && s.config().classes == first.config().classes &&
                       s.config().targets == first.config().targets,
                   "{} wants {}, {} wants {}: networks of one ensemble see a case prepared alike",
                   first.file().string(), text_of(first), s.file().string(), text_of(s));
  }
}

void Ensemble::set_windows(const WindowOptions& windows, const OnWindow& on_window) {
  for (Segmenter& s : members_) { s.set_windows(windows, on_window); }
}

void Ensemble::reserve(const MemoryLimit& limit, const Extent3& largest) {
  MemoryLimit left = limit;
  if (members_.size() > 1 && members_.front().device() != Device::cuda) {  // the mean, beside what each gives
    const auto mean = static_cast<std::size_t>(config().classes * voxels_of(largest)) * sizeof(float);
    left.bytes -= std::min(left.bytes, mean);
  }
  for (Segmenter& s : members_) {
    const std::size_t weights = s.reserve(left, largest);
    left.bytes -= std::min(left.bytes, weights);
  }
}

Segmenter::Output Ensemble::run(std::span<const float> image, const Extent3& size, Mirror mirror) const {
  const auto one = [&](const Segmenter& s) {
    return mirror == Mirror::all_axes ? s.run_mirrored(image, size) : s.run(image, size);
  };
  Segmenter::Output mean = one(members_.front());
  if (members_.size() == 1) { return mean; }
  mean.logits.clear();
  mean.logits.shrink_to_fit();
  for (std::size_t m = 1; m < members_.size(); ++m) {
    const LargeVector<float> p = one(members_[m]).probabilities;
    std::ranges::transform(mean.probabilities, p, mean.probabilities.begin(), std::plus<>());
  }
  for (float& p : mean.probabilities) { p /= static_cast<float>(members_.size()); }
  return mean;
}

}  // namespace vox
