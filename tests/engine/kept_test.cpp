// What a gradient rule keeps of a tensor that could be made again.
#include "engine/kept.h"
#include "engine/allocator.h"
#include "engine/tape.h"
#include "model/loss.h"
#include "model/unet3d.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

struct Step {
  double loss = 0;
  std::vector<Values> gradients;
  std::size_t peak_bytes = 0;
};

/// One step of a small network, dropout included.
Step step(bool keep_all) {
  set_keep_all(keep_all);
  UNetConfig config = unet_preset("seed");
  config.widths = {8, 8, 16, 8, 16};
  const UNet3d net(config, DType::f32, 7, Device::cpu);
  const Shape shape{2, config.in_channels, 16, 16, 16};
  const Tensor images = to_tensor(make_values(shape.count(), 1), shape, Kind::volume, DType::f32);
  const Shape label_shape{2, 16, 16, 16};
  const Tensor labels = to_tensor(make_labels(label_shape.count(), 4, 2), label_shape, Kind::labels, DType::f32);
  reset_peak(Device::cpu);
  const std::size_t before = memory_report(Device::cpu).in_use_bytes;
  const Tensor loss =
      segmentation_loss(net.forward(images, {.mode = UNetMode::training, .seed = 3, .step = 1}), labels, {});
  backward(loss);
  Step s{.loss = loss.item(), .gradients = {}, .peak_bytes = memory_report(Device::cpu).peak_bytes - before};
  for (const NamedTensor& p : net.parameters()) { s.gradients.push_back(p.tensor.grad().to_doubles()); }
  set_keep_all(false);
  return s;
}

}  // namespace

TEST_CASE("keeping what could be made again takes more memory and changes no bit", "[tape][net]") {
  const bool before = keeps_all();
  CHECK_FALSE(before);
  const Step made_again = step(false);
  const Step kept = step(true);
  CHECK(kept.loss == made_again.loss);
  CHECK(kept.gradients == made_again.gradients);
  CHECK(kept.peak_bytes > made_again.peak_bytes);
}

}  // namespace vox::test
