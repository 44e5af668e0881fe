// The network's fused operators against the plain ones they are made of.
#include <cmath>
#include <tuple>

#include "engine/tape.h"
#include "model/loss.h"
#include "model/unet3d.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"

namespace vox::test {
namespace {

Shape image_shape() { return {2, 4, 32, 16, 16}; }

struct Pass {
  Values logits;
  double loss = 0;
  std::vector<Values> gradients;
  std::vector<std::string> names;  ///< of the parameters
  std::vector<Values> buffers;
};

/// One pass of a small network, with dropout in training.
Pass pass(Fusion fusion, Device device, UNetMode mode, BlockOrder order = BlockOrder::dropout_between,
          const char* preset = "seed") {
  UNetConfig config = with_widths(unet_preset(preset), {8, 8, 16, 12, 16});
  config.classes = 4;
  config.targets = Targets::classes;
  config.supervision = 1;
  config.block_order = order;
  if (config.norm == Norm::instance) { config.encoder_dropout[1] = 0.25; }
  UNet3d net(config, DType::f64, 7, device);
  net.set_fusion(fusion);
  const Tensor images =
      to_tensor(make_values(image_shape().count(), 1), image_shape(), Kind::volume, DType::f64).to(device);
  const Shape label_shape{image_shape()[0], image_shape()[2], image_shape()[3], image_shape()[4]};
  const Tensor labels =
      to_tensor(make_labels(label_shape.count(), 4, 2), label_shape, Kind::labels, DType::f64).to(device);
  const Tensor logits = net.forward(images, {.mode = mode, .seed = 3, .step = 5});
  const Tensor loss = segmentation_loss(logits, labels, {});
  Pass p{.logits = logits.to_doubles(), .loss = loss.item(), .gradients = {}, .names = {}, .buffers = {}};
  if (mode == UNetMode::training) {
    backward(loss);
    for (const NamedTensor& parameter : net.parameters()) {
      p.gradients.push_back(parameter.tensor.grad().to_doubles());
      p.names.push_back(parameter.name);
    }
  }
  for (const NamedTensor& buffer : net.buffers()) { p.buffers.push_back(buffer.tensor.to_doubles()); }
  return p;
}

}  // namespace

TEST_CASE("a training step is the same with fused and with plain operators", "[net][fusion][simt]") {
  const auto [device, order, preset] = GENERATE(std::tuple(Device::cpu, BlockOrder::dropout_between, "seed"),
                                                std::tuple(Device::cpu, BlockOrder::dropout_last, "seed"),
                                                std::tuple(Device::simt, BlockOrder::dropout_between, "seed"),
                                                std::tuple(Device::cpu, BlockOrder::dropout_between, "nnunet"));
  INFO(name(device) << " " << preset);
  const Pass wants = pass(Fusion::off, device, UNetMode::training, order, preset);
  const Pass got = pass(Fusion::on, device, UNetMode::training, order, preset);
  CHECK(std::abs(got.loss - wants.loss) <= 1e-13 * wants.loss);  // other masks would give another loss
  CHECK(relative_error(got.logits, wants.logits) < 1e-12);
  for (std::size_t i = 0; i < wants.gradients.size(); ++i) {
    INFO(wants.names[i]);
    const bool taken_out = wants.names[i].find("conv") != std::string::npos && wants.names[i].ends_with(".bias");
    if (taken_out) {  // of a bias before a norm: 0, where the plain operators have what rounding leaves
      CHECK(got.gradients[i] == Values(got.gradients[i].size(), 0.0));
    } else {
      CHECK(relative_error(got.gradients[i], wants.gradients[i]) < 1e-9);
    }
  }
  for (std::size_t i = 0; i < wants.buffers.size(); ++i) {
    INFO("buffer " << i);
    CHECK(relative_error(got.buffers[i], wants.buffers[i]) < 1e-12);
  }
}

TEST_CASE("inference is the same with fused and with plain operators, and moves no statistics", "[net][fusion][simt]") {
  const Device device = GENERATE(Device::cpu, Device::simt);
  INFO(name(device));
  const NoGradScope no_grad;
  const Pass wants = pass(Fusion::off, device, UNetMode::inference);
  const Pass got = pass(Fusion::on, device, UNetMode::inference);
  CHECK(relative_error(got.logits, wants.logits) < 1e-12);
  CHECK(got.buffers == wants.buffers);
}

TEST_CASE("fusion is on or off", "[fusion]") {
  CHECK(fusion_named("on") == Fusion::on);
  CHECK(fusion_named("off") == Fusion::off);
  CHECK_THROWS_WITH(fusion_named("maybe"), ContainsSubstring("fusion is 'maybe', wants on or off"));
}

}  // namespace vox::test
