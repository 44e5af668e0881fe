#include "tools/run/validation.h"

#include "engine/allocator.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {

Tensor network_input(std::span<const float> image, const std::array<std::int64_t, 5>& shape, DType dtype) {
  const Tensor x = Tensor::volume_of<float>(Shape{std::span<const std::int64_t>(shape)}, image);
  return dtype == DType::f32 ? x : cast(x, dtype);
}

Tensor network_labels(std::span<const std::uint8_t> labels, const std::array<std::int64_t, 5>& shape) {
  return Tensor::of<std::uint8_t>({shape[0], shape[2], shape[3], shape[4]}, labels);
}

Tensor scores_on_cpu(const Tensor& logits) {
  return (logits.dtype() == DType::f32 ? logits : cast(logits, DType::f32)).to(Device::cpu);
}

Validation validate(const UNet3d& net, const std::vector<std::filesystem::path>& files, const LossOptions& loss,
                    const ArenaPlan& plan) {
  VOX_CHECK(!files.empty(), "validate: no cases");
  const NoGradScope no_grad;
  Validation v;
  const double share = 1.0 / static_cast<double>(files.size());
  for (const auto& path : files) {
    const ArenaScope arena(net.device(), plan);
    const PreparedFile file(path);
    const Extent3& size = file.info().mapping.size;
    const std::array<std::int64_t, 5> shape{1, net.config().in_channels, size[0], size[1], size[2]};
    const Tensor logits = net.forward(network_input(file.image(), shape, net.dtype()).to(net.device()), {});
    v.loss += share * segmentation_loss(logits, network_labels(file.label(), shape).to(net.device()), loss).item();
    Confusion c;
    const Tensor scores = scores_on_cpu(logits);
    c.add_argmax(file.label(), scores.values<float>(), kBlock8, 1);
    for (std::size_t r = 0; r < kRegions.size(); ++r) {
      v.dice[r] += share * overlap_scores(c.of_region(kRegions[r])).dice;
      v.trivial[r] += share * overlap_scores(c.all_background().of_region(kRegions[r])).dice;
    }
    v.confusion += c;
  }
  return v;
}

}  // namespace vox
