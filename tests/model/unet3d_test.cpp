#include "model/unet3d.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/context.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "model/loss.h"
#include "model/summary.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

UNetConfig small(const char* preset) {
  UNetConfig c = unet_preset(preset);
  c.widths = {3, 4, 5, 6, 9};
  return c;
}

Tensor input(const UNetConfig& c, DType dtype) {
  const Shape shape{2, c.in_channels, 16, 16, 32};
  return to_tensor(make_values(shape.count(), 3), shape, Kind::volume, dtype);
}

/// Gradients of every parameter after one training pass.
std::vector<Values> gradients(const UNet3d& net, DType dtype) {
  const Tensor labels = to_tensor(make_labels(2 * 16 * 16 * 32, 4, 5), {2, 16, 16, 32}, Kind::labels, dtype);
  backward(
      segmentation_loss(net.forward(input(net.config(), dtype), {.mode = UNetMode::training, .seed = 9}), labels, {}));
  std::vector<Values> all;
  for (const NamedTensor& p : net.parameters()) {
    all.push_back(p.tensor.grad().to_doubles());
    Tensor(p.tensor).clear_grad();
  }
  return all;
}

}  // namespace

TEST_CASE("the presets have the parameters of their papers", "[unet]") {
  CHECK(UNet3d(unet_preset("tutorial"), DType::f32, 1).parameter_count() == 5'645'828);
  CHECK(UNet3d(unet_preset("seed"), DType::f32, 1).parameter_count() == 5'647'732);
  // nnU-Net's 31,198,991 for 128^3 (dynamic-network-architectures) without the head of the deepest decoder level.
  CHECK(UNet3d(unet_preset("nnunet"), DType::f32, kNoWeights).parameter_count() == 31'198'991 - 3 * (320 + 1));
  CHECK_THROWS_WITH(unet_preset("unet"), ContainsSubstring("none of: seed, tutorial, nnunet, best"));
}

TEST_CASE("the summary counts the parameters the network has, and the work of the tutorial net", "[unet]") {
  for (const char* const preset : {"seed", "tutorial", "nnunet", "best"}) {
    const UNetConfig c = unet_preset(preset);
    const auto layers = unet_summary(c, 1, 128, DType::f32);
    const auto total = std::accumulate(layers.begin(), layers.end(), std::int64_t{0},
                                       [](std::int64_t n, const LayerCost& l) { return n + l.parameters; });
    CHECK(total == UNet3d(c, DType::f32, kNoWeights).parameter_count());
  }
  double convolutions = 0;
  for (const LayerCost& l : unet_summary(unet_preset("tutorial"), 1, 128, DType::f32)) {
    if (l.kind.starts_with("conv")) { convolutions += l.forward_flop; }
  }
  CHECK(std::abs(convolutions / 1e9 - 242.6) < 0.1);
  UNetConfig ragged = unet_preset("tutorial");
  ragged.widths = {12, 32, 64, 128, 256};
  const auto copies = [](const UNetConfig& c) {
    const auto layers = unet_summary(c, 1, 32, DType::f32);
    return std::ranges::count(layers, "concat", &LayerCost::kind);
  };
  CHECK(copies(unet_preset("tutorial")) == 0);
  CHECK(copies(ragged) == 1);  // up and skip are joined by a copy only where up's last block is ragged
  CHECK_THROWS_AS(unet_summary(unet_preset("seed"), 1, 24, DType::f32), Error);
}

TEST_CASE("initial weights fill their interval, and depend on the seed", "[unet]") {
  const UNet3d net(unet_preset("seed"), DType::f32, 1);
  const UNet3d other(unet_preset("seed"), DType::f32, 2);
  const auto bounds = [](const UNet3d& n, const std::string& name) {
    for (const NamedTensor& p : n.parameters()) {
      if (p.name == name) {
        const Values v = p.tensor.to_doubles();
        return std::pair(*std::ranges::min_element(v), *std::ranges::max_element(v));
      }
    }
    return std::pair(0.0, 0.0);
  };
  const double he = std::sqrt(6.0 / (27 * 16));
  const double glorot = std::sqrt(6.0 / (8 * (256 + 128)));
  CHECK(bounds(net, "encoder.0.conv2.weight").second <= he);
  CHECK(bounds(net, "encoder.0.conv2.weight").second > 0.99 * he);
  CHECK(bounds(net, "encoder.0.conv2.weight").first < -0.99 * he);
  CHECK(bounds(net, "up.0.weight").second <= glorot);
  CHECK(bounds(net, "up.0.weight").second > 0.99 * glorot);
  CHECK(bounds(net, "encoder.0.conv2.weight") != bounds(other, "encoder.0.conv2.weight"));

  UNetConfig config = unet_preset("seed");
  config.init = Init::torch;
  const UNet3d torch(config, DType::f32, 1);
  const double conv = 1 / std::sqrt(27.0 * 16);
  const double up = 1 / std::sqrt(8.0 * 128);  // of up.0 [256,128,2,2,2]
  CHECK(bounds(torch, "encoder.0.conv2.weight").second <= conv);
  CHECK(bounds(torch, "encoder.0.conv2.weight").second > 0.99 * conv);
  CHECK(bounds(torch, "up.0.weight").second > 0.99 * up);
  CHECK(bounds(torch, "up.0.bias").first < -0.9 * up);
  CHECK(bounds(torch, "up.0.bias").first >= -up);
  CHECK(bounds(net, "up.0.bias") == std::pair(0.0, 0.0));
}

TEST_CASE("the network refuses a volume it cannot halve four times, and a wrong number of channels", "[unet]") {
  const UNet3d net(small("seed"), DType::f32, 1);
  CHECK_THROWS_WITH(net.forward(Tensor::volume({1, 4, 16, 24, 16}, DType::f32), {}),
                    ContainsSubstring("divisible by 16"));
  CHECK_THROWS_WITH(net.forward(Tensor::volume({1, 3, 16, 16, 16}, DType::f32), {}), ContainsSubstring("[N,4,D,H,W]"));
}

TEST_CASE("dropout masks follow seed, step and micro-batch, and inference drops nothing", "[unet]") {
  const UNet3d net(small("tutorial"), DType::f32, 1);
  const Tensor x = input(net.config(), DType::f32);
  const NoGradScope no_grad;
  const auto logits = [&](const ForwardOptions& o) { return net.forward(x, o).to_doubles(); };
  const ForwardOptions training{.mode = UNetMode::training, .seed = 1, .step = 1};
  ForwardOptions other = training;
  CHECK(logits(training) == logits(other));
  other.seed = 2;
  CHECK(logits(training) != logits(other));
  other = training;
  other.step = 2;
  CHECK(logits(training) != logits(other));
  other = training;
  other.micro_batch = 1;
  CHECK(logits(training) != logits(other));
  other = training;
  other.dropout = Dropout::off;
  CHECK(logits(other) == logits({}));  // without batch norm that is all that training does differently
  CHECK(logits(training) != logits({}));
}

TEST_CASE("the other block order moves the dropout behind the second convolution", "[unet]") {
  UNetConfig config = small("tutorial");
  const UNet3d between(config, DType::f32, 1);
  config.block_order = BlockOrder::dropout_last;
  const UNet3d last(config, DType::f32, 1);
  const Tensor x = input(config, DType::f32);
  const NoGradScope no_grad;
  CHECK(between.forward(x, {}).to_doubles() == last.forward(x, {}).to_doubles());
  const ForwardOptions training{.mode = UNetMode::training, .seed = 1};
  CHECK(between.forward(x, training).to_doubles() != last.forward(x, training).to_doubles());
}

TEST_CASE("a training pass of the network gives the same bits for any number of threads", "[unet][threads]") {
  const int threads = cpu_queue().threads;
  const UNet3d net(small("seed"), DType::f32, 1);
  cpu_queue().threads = 1;
  const auto one = gradients(net, DType::f32);
  cpu_queue().threads = 3;
  CHECK(one == gradients(net, DType::f32));
  cpu_queue().threads = threads;
}

TEST_CASE("gradients of micro-batches add up to those of the batch where nothing couples the cases", "[unet]") {
  UNetConfig config = small("tutorial");  // no batch norm
  const UNet3d net(config, DType::f64, 1);
  const std::int64_t voxels = 16 * 16 * 32;
  const Values image = make_values(2 * config.in_channels * voxels, 3);
  const Values labels = make_labels(2 * voxels, 4, 5);
  const auto part = [](const Values& v, std::int64_t begin, std::int64_t count) {
    return Values(v.begin() + begin, v.begin() + begin + count);
  };
  const auto pass = [&](std::int64_t first, std::int64_t count, double share) {
    const std::int64_t per_case = config.in_channels * voxels;
    const Tensor x = to_tensor(part(image, first * per_case, count * per_case), {count, config.in_channels, 16, 16, 32},
                               Kind::volume, DType::f64);
    const Tensor y =
        to_tensor(part(labels, first * voxels, count * voxels), {count, 16, 16, 32}, Kind::labels, DType::f64);
    const Tensor logits = net.forward(x, {.mode = UNetMode::training, .dropout = Dropout::off});
    backward(scale(segmentation_loss(logits, y, {.sums = Sums::per_case}), share));
  };
  const auto take = [&] {
    std::vector<Values> all;
    for (const NamedTensor& p : net.parameters()) {
      all.push_back(p.tensor.grad().to_doubles());
      Tensor(p.tensor).clear_grad();
    }
    return all;
  };
  pass(0, 2, 1.0);
  const auto whole = take();
  pass(0, 1, 0.5);
  pass(1, 1, 0.5);
  const auto parts = take();
  double worst = 0;
  for (std::size_t k = 0; k < whole.size(); ++k) {
    for (std::size_t i = 0; i < whole[k].size(); ++i) { worst = std::max(worst, std::abs(whole[k][i] - parts[k][i])); }
  }
  CHECK(worst <= 1e-13);
  CHECK(whole[0] != Values(whole[0].size(), 0.0));
}

TEST_CASE("bf16 activations give about the gradients of f64", "[unet]") {
  const UNet3d wide(small("seed"), DType::f64, 1);
  const UNet3d narrow(small("seed"), DType::bf16, 1);
  const auto truth = gradients(wide, DType::f64);
  const auto got = gradients(narrow, DType::bf16);
  double dot = 0;
  double norm_truth = 0;
  double norm_got = 0;
  for (std::size_t k = 0; k < truth.size(); ++k) {
    for (std::size_t i = 0; i < truth[k].size(); ++i) {
      dot += truth[k][i] * got[k][i];
      norm_truth += truth[k][i] * truth[k][i];
      norm_got += got[k][i] * got[k][i];
    }
  }
  // 8 bits a store over about 40 layers, and labels of noise, whose gradient is what is left when most of it cancels.
  CHECK(dot / std::sqrt(norm_truth * norm_got) > 0.95);
}

TEST_CASE("loss terms are read by name", "[loss]") {
  CHECK(loss_name(loss_terms("focal+dice+ce")) == "focal+dice+ce");
  CHECK_THROWS_WITH(loss_terms("dice+hinge"), ContainsSubstring("'hinge' is none of dice, focal, ce"));
  CHECK_THROWS_WITH(loss_terms("dice+dice"), ContainsSubstring("twice"));
  CHECK_THROWS_AS(loss_terms(""), Error);
}

}  // namespace vox::test
