// What can be set of the network: levels, norm, slope, strides, biases, heads, initial weights.
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/context.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "model/loss.h"
#include "model/unet3d.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

const LossOptions kRegionLoss{.terms = {LossTerm::dice, LossTerm::binary_cross_entropy}, .targets = Targets::regions};

/// A batch of two for a network of three levels: two voxels are left at the bottom.
struct Batch {
  Tensor images;
  Tensor labels;

  Batch(const UNetConfig& c, DType dtype, Device device = Device::cpu) {
    const Shape shape{2, c.in_channels, 4, 4, 8};
    images = to_tensor(make_full_mantissa(shape.count(), 3, false), shape, Kind::volume, dtype).to(device);
    labels = to_tensor(make_labels(2 * 4 * 4 * 8, 4, 5), {2, 4, 4, 8}, Kind::labels, dtype).to(device);
  }
};

Tensor loss_of(const UNet3d& net, const Batch& batch) {
  const LossOptions options = net.config().targets == Targets::regions ? kRegionLoss : LossOptions{};
  return segmentation_loss(net.forward_all(batch.images, {.mode = UNetMode::training, .seed = 3}), batch.labels,
                           options);
}

UNetConfig tiny(const std::function<void(UNetConfig&)>& change) {
  UNetConfig c = with_widths(unet_preset("seed"), {3, 4, 2});
  change(c);
  return c;
}

UNetConfig tiny_nnunet() {
  UNetConfig c = with_widths(unet_preset("nnunet"), {9, 3, 4});
  c.supervision = 2;
  return c;
}

struct Gradients {
  double loss = 0;
  std::vector<Values> values;
};

Gradients gradients_of(const UNet3d& net, const Batch& batch) {
  const Tensor loss = loss_of(net, batch);
  backward(loss);
  Gradients g{.loss = loss.item(), .values = {}};
  for (const NamedTensor& p : net.parameters()) {
    g.values.push_back(p.tensor.grad().to_doubles());
    Tensor(p.tensor).clear_grad();
  }
  return g;
}

double dot(const Values& a, const Values& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

/// The derivative of the loss along a direction in one parameter, by central differences.
double slope_along(const UNet3d& net, const Batch& batch, const Tensor& parameter, const Values& direction) {
  constexpr double kStep = 0x1p-24;
  const NoGradScope no_grad;
  Tensor p = parameter;
  const Values before = p.to_doubles();
  const auto loss_at = [&](double step) {
    Values moved = before;
    for (std::size_t i = 0; i < moved.size(); ++i) { moved[i] += step * direction[i]; }
    std::ranges::copy(moved, p.mutable_values<double>().begin());
    return loss_of(net, batch).item();
  };
  const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
  std::ranges::copy(before, p.mutable_values<double>().begin());
  return slope;
}

}  // namespace

TEST_CASE("gradients of a network are the slopes of its loss, whatever is set of it", "[unet][gradcheck]") {
  const std::vector<UNetConfig> configs{
      tiny([](UNetConfig&) {}),
      tiny([](UNetConfig& c) { c.norm = Norm::instance; }),
      tiny([](UNetConfig& c) { c.norm_bias = true; }),
      tiny([](UNetConfig& c) { c.negative_slope = 0.2; }),
      tiny([](UNetConfig& c) { c.down = Down::strided_conv; }),
      tiny([](UNetConfig& c) { c.supervision = 2; }),
      tiny([](UNetConfig& c) {
        c.norm = Norm::none;
        c.down = Down::strided_conv;
        c.negative_slope = 0.1;
        c.supervision = 2;
      }),
      tiny_nnunet(),
  };
  const int threads = std::exchange(cpu_queue().threads, 1);  // layers of 1 us each
  for (const UNetConfig& c : configs) {
    INFO(text_of(c));
    const UNet3d net(c, DType::f64, 1);
    const Batch batch(c, DType::f64);
    const Gradients g = gradients_of(net, batch);
    double largest = 0;
    for (const Values& v : g.values) { largest = std::max(largest, std::sqrt(dot(v, v))); }
    for (std::size_t i = 0; i < g.values.size(); ++i) {
      INFO(net.parameters()[i].name);
      const Values direction = make_full_mantissa(std::ssize(g.values[i]), static_cast<unsigned>(i), false);
      const double wants = slope_along(net, batch, net.parameters()[i].tensor, direction);
      const double got = dot(g.values[i], direction);
      // Differences lose some 2^-52 of the loss over the step; no ReLU or pool changes sides within it.
      CHECK(std::abs(got - wants) <= 1e-5 * (std::abs(wants) + 0.1 * largest));
    }
  }
  cpu_queue().threads = threads;
}

TEST_CASE("a bias that an instance norm takes away changes no logit", "[unet]") {
  const UNet3d net(tiny_nnunet(), DType::f64, 1);
  const Batch batch(net.config(), DType::f64);
  const NoGradScope no_grad;
  const Values before = net.forward(batch.images, {}).to_doubles();
  for (const NamedTensor& p : net.parameters()) {
    if (p.name == "encoder.0.conv1.bias") { Tensor(p.tensor).mutable_values<double>()[1] = 7; }
  }
  CHECK(relative_error(net.forward(batch.images, {}).to_doubles(), before) < 1e-12);
}

TEST_CASE("deep supervision weighs 1, 1/2, 1/4, ... and sees the label in the middle of each cell", "[unet][loss]") {
  CHECK(supervision_weights(1) == std::vector<double>{1});
  const std::vector<double> four = supervision_weights(4);
  for (std::size_t i = 0; i < 4; ++i) { CHECK(four[i] == std::ldexp(8.0, -static_cast<int>(i)) / 15); }

  UNetConfig c = tiny_nnunet();
  const UNet3d net(c, DType::f64, 1);
  const Batch batch(c, DType::f64);
  const NoGradScope no_grad;
  const std::vector<Tensor> logits = net.forward_all(batch.images, {.mode = UNetMode::training});
  REQUIRE(logits.size() == 2);
  CHECK(logits[0].to_doubles() == net.forward(batch.images, {}).to_doubles());
  CHECK(logits[1].shape() == Shape{2, 3, 2, 2, 4});
  const auto labels = batch.labels.values<std::uint8_t>();
  Values small;
  for (std::size_t n = 0; n < 2; ++n) {
    for (std::size_t d = 1; d < 4; d += 2) {
      for (std::size_t h = 1; h < 4; h += 2) {
        for (std::size_t w = 1; w < 8; w += 2) { small.push_back(labels[((n * 4 + d) * 4 + h) * 8 + w]); }
      }
    }
  }
  const Tensor shrunk = to_tensor(small, {2, 2, 2, 4}, Kind::labels, DType::f64);
  const double wants = (2 * segmentation_loss(logits[0], batch.labels, kRegionLoss).item() +
                        segmentation_loss(logits[1], shrunk, kRegionLoss).item()) /
                       3;
  CHECK(std::abs(segmentation_loss(logits, batch.labels, kRegionLoss).item() - wants) <= 1e-14 * wants);
  CHECK_THROWS_WITH(segmentation_loss(std::vector<Tensor>{}, batch.labels, {}), ContainsSubstring("no logits"));
}

TEST_CASE("another number of levels brings its dropouts and heads along", "[unet]") {
  using List = std::vector<double>;
  const UNetConfig seed = unet_preset("seed");
  CHECK(with_widths(seed, {1, 2, 3, 4, 5}).encoder_dropout == seed.encoder_dropout);
  const UNetConfig three = with_widths(seed, {1, 2, 3});
  CHECK(three.encoder_dropout == List{0.1, 0.1, 0.2});
  CHECK(three.decoder_dropout == List{0.1, 0.1});
  CHECK(three.supervision == 1);
  const UNetConfig seven = with_widths(seed, {1, 2, 3, 4, 5, 6, 7});
  CHECK(seven.encoder_dropout == List{0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3});
  CHECK(seven.decoder_dropout == List{0.3, 0.3, 0.2, 0.2, 0.1, 0.1});
  CHECK(with_widths(seven, seed.widths).decoder_dropout == seed.decoder_dropout);
  const UNetConfig nnunet = with_widths(unet_preset("nnunet"), {4, 4, 4, 4});
  CHECK(nnunet.supervision == 2);
  CHECK(nnunet.encoder_dropout == List(4, 0.0));
  CHECK(with_widths(unet_preset("nnunet"), {4, 4, 4}).supervision == 1);
  CHECK(size_divisor(nnunet) == 8);
  for (const auto& [levels, divisor] : std::vector<std::pair<std::size_t, std::int64_t>>{{3, 4}, {7, 64}}) {
    CHECK(size_divisor(levels) == divisor);
  }
}

TEST_CASE("kaiming draws normal weights of PyTorch's deviation, and biases of 0", "[unet]") {
  UNetConfig c = with_widths(unet_preset("nnunet"), {16, 16, 24});
  const UNet3d net(c, DType::f64, 1);
  const UNet3d other(c, DType::f64, 2);
  for (std::size_t i = 0; i < net.parameters().size(); ++i) {
    const auto& [name, tensor] = net.parameters()[i];
    INFO(name);
    const Values v = tensor.to_doubles();
    if (name.ends_with(".bias")) { CHECK(v == Values(v.size(), 0.0)); }
    if (v.size() < 3000) { continue; }
    CHECK(v != other.parameters()[i].tensor.to_doubles());
    const Shape& s = tensor.shape();  // of up.0 [24,16,2,2,2] PyTorch takes 16 * 8
    const double deviation = std::sqrt(2 / (1.0001 * static_cast<double>(s[1] * s[2] * s[3] * s[4])));
    const auto count = static_cast<double>(v.size());
    const double mean = std::accumulate(v.begin(), v.end(), 0.0) / count;
    CHECK(std::abs(mean) < 4 * deviation / std::sqrt(count));
    CHECK(std::abs(dot(v, v) / count / (deviation * deviation) - 1) < 4 * std::sqrt(2 / count));
    const auto beyond = std::ranges::count_if(v, [&](double x) { return std::abs(x) > 2 * deviation; });
    CHECK(std::abs(static_cast<double>(beyond) / count - 0.0455) < 0.015);  // not uniform, which has none
  }
}

TEST_CASE("a network that cannot be is refused, and an input that leaves instance norm one voxel", "[unet][errors]") {
  const auto refused = [](const std::function<void(UNetConfig&)>& change, const std::string& why) {
    UNetConfig c = unet_preset("seed");
    change(c);
    CHECK_THROWS_WITH(UNet3d(c, DType::f32, kNoWeights), ContainsSubstring(why));
  };
  refused([](UNetConfig& c) { c = with_widths(c, {8, 8}); }, "2 widths (8 8), wants 3 to 7");
  refused([](UNetConfig& c) { c = with_widths(c, {}); }, "0 widths");
  refused([](UNetConfig& c) { c = with_widths(c, std::vector<std::int64_t>(8, 8)); }, "8 widths");
  refused([](UNetConfig& c) { c.widths[2] = 0; }, "a width is 0");
  refused([](UNetConfig& c) { c.widths.pop_back(); }, "5 and 4 dropouts of encoder and decoder, wants 4 and 3");
  refused([](UNetConfig& c) { c.negative_slope = -0.1; }, "negative slope is -0.1, wants 0 to below 1");
  refused([](UNetConfig& c) { c.negative_slope = 1; }, "negative slope is 1");
  refused([](UNetConfig& c) { c.negative_slope = std::nan(""); }, "negative slope is nan");
  refused([](UNetConfig& c) { c.supervision = 0; }, "supervision is 0, wants 1 to 4");
  refused([](UNetConfig& c) { c.supervision = 5; }, "supervision is 5, wants 1 to 4");

  const UNet3d net(tiny_nnunet(), DType::f32, 1);
  CHECK_THROWS_WITH(net.forward(Tensor::volume({2, 4, 4, 4, 4}, DType::f32), {}),
                    ContainsSubstring("x is 2x4x4x4x4, whose bottleneck has one voxel, and instance norm wants more"));
  CHECK_THROWS_WITH(net.forward(Tensor::volume({2, 4, 4, 6, 4}, DType::f32), {}),
                    ContainsSubstring("divisible by 4, for 3 levels"));
  CHECK_NOTHROW(net.forward(to_tensor(Values(512, 0.5), {1, 4, 4, 4, 8}, Kind::volume, DType::f32), {}));
}

TEST_CASE("nnU-Net's network on simt and on a GPU gives the loss and every gradient of the cpu", "[net][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const UNetConfig c = tiny_nnunet();
  const UNet3d cpu(c, DType::f64, 7);
  const UNet3d there(c, DType::f64, 7, device);
  const Gradients wants = gradients_of(cpu, Batch(c, DType::f64));
  const Gradients got = gradients_of(there, Batch(c, DType::f64, device));
  CHECK(std::abs(got.loss - wants.loss) <= 1e-13 * wants.loss);
  double largest = 0;
  for (const Values& v : wants.values) { largest = std::max(largest, std::sqrt(dot(v, v))); }
  for (std::size_t i = 0; i < wants.values.size(); ++i) {
    INFO(cpu.parameters()[i].name);
    REQUIRE(got.values[i].size() == wants.values[i].size());
    for (std::size_t k = 0; k < wants.values[i].size(); ++k) {
      CHECK(std::abs(got.values[i][k] - wants.values[i][k]) <= 1e-12 * largest);
    }
  }
}

}  // namespace vox::test
