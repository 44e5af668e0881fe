#include "tools/run/device_confusion.h"

#include "engine/dispatch.h"
#include "engine/tensor.h"
#include "kernels/base/check.h"
#include "kernels/confusion.h"

namespace vox {

Confusion count_on(const std::string& device_name, std::span<const std::uint8_t> truth,
                   std::span<const std::uint8_t> predicted) {
  VOX_CHECK(truth.size() == predicted.size(), "confusion: {} predicted voxels, wants {}", predicted.size(),
            truth.size());
  const Device device = select_device(device_name);  // of this thread: a pool's workers come here, too
  const Tensor t = Tensor::of<std::uint8_t>({std::ssize(truth)}, truth).to(device);
  const Tensor p = Tensor::of<std::uint8_t>({std::ssize(predicted)}, predicted).to(device);
  VOX_CHECK(t.largest_label() < kClasses && p.largest_label() < kClasses,
            "confusion: classes up to {} and {}, wants 0..{}", t.largest_label(), p.largest_label(), kClasses - 1);
  Tensor partials({confusion_partials(std::ssize(truth), kClasses)}, DType::f64, device);
  Tensor counts({kClasses, kClasses}, DType::f64, device);
  dispatch_device(device, [&](auto& queue) {
    confusion(queue, ConfusionArgs<std::uint8_t>{.truth = t.values<std::uint8_t>(),
                                                 .predicted = p.values<std::uint8_t>(),
                                                 .classes = kClasses,
                                                 .partials = partials.mutable_values<double>(),
                                                 .counts = counts.mutable_values<double>()});
  });
  const std::vector<double> flat = counts.to_doubles();
  Confusion result;
  for (std::size_t i = 0; i < flat.size(); ++i) {
    result.counts[i / kClasses][i % kClasses] = static_cast<std::int64_t>(flat[i]);
  }
  return result;
}

}  // namespace vox
