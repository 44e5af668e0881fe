#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <vector>

#include "engine/context.h"
#include "engine/ops/convolve.h"
#include "kernels/plan/winograd.h"
#include "model/summary.h"
#include "tests/engine/op_case.h"
#include "tests/kernels/winograd_error.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

/// Normally distributed numbers (Box-Muller), the same on every machine.
Values normal(std::int64_t count, unsigned seed, double sigma) {
  std::uint64_t state = seed;
  const auto uniform = [&state] {  // splitmix64
    std::uint64_t z = state += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return (static_cast<double>((z ^ (z >> 31U)) >> 11U) + 0.5) * 0x1p-53;
  };
  Values v(static_cast<std::size_t>(count));
  for (double& x : v) {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    x = static_cast<double>(static_cast<float>(sigma * radius * std::cos(2 * std::numbers::pi * uniform())));
  }
  return v;
}

struct Error {
  double of_largest = 0;  ///< the largest error over the largest |y|
  double of_rms = 0;      ///< the largest error over the root mean square of y
  double rms = 0;         ///< root mean square over root mean square
};
Error error_of(const Values& got, const Values& wants) {
  double largest = 0;
  double largest_error = 0;
  double sum = 0;
  double error_sum = 0;
  for (std::size_t i = 0; i < wants.size(); ++i) {
    REQUIRE(std::isfinite(wants[i]));  // or every error would be a small part of it
    const double e = std::abs(got[i] - wants[i]);
    largest = std::max(largest, std::abs(wants[i]));
    largest_error = e <= largest_error ? largest_error : e;  // NaN stays
    sum += wants[i] * wants[i];
    error_sum += e * e;
  }
  const double size = std::sqrt(sum / static_cast<double>(wants.size()));
  return {largest_error / largest, largest_error / size, std::sqrt(error_sum / sum)};
}

struct Layer {
  std::int64_t in;
  std::int64_t out;
  friend bool operator==(const Layer&, const Layer&) = default;
};
/// Channels of every 3^3 convolution of the seed net that Winograd's algorithm computes; not of the deepest, whose
/// error is that of the one before.
std::vector<Layer> layers() {
  std::vector<Layer> found;
  for (const LayerCost& l : unet_summary(unet_preset("seed"), 1, 128, DType::f32)) {
    if (!l.convolution || !winograd_wins(Conv3dPass::correlate, *l.convolution)) { continue; }
    const Layer layer{l.convolution->x.c, l.convolution->y.c};
    if (layer.in * layer.out < 256 * 256 && std::ranges::find(found, layer) == found.end()) { found.push_back(layer); }
  }
  return found;
}

/// The weight gradient in f32 by the choice, against f64 computed directly.
Error gradient_error(const Conv3dGeometry& g, ConvChoice choice) {
  const Values x = normal(g.x.count(), 1, 1);
  const Values dy = normal(g.y.count(), 2, 1);
  const auto result = [&](DType dtype, ConvChoice c) {
    cpu_queue().conv = c;
    const Tensor in = to_tensor(x, {g.x.n, g.x.c, g.x.d, g.x.h, g.x.w}, Kind::volume, dtype);
    const Tensor out = to_tensor(dy, {g.y.n, g.y.c, g.y.d, g.y.h, g.y.w}, Kind::volume, dtype);
    return weight_gradient(g, {in}, out, Tensor({g.y.c, g.x.c, 3, 3, 3}, dtype)).to_doubles();
  };
  const Error e = error_of(result(DType::f32, choice), result(DType::f64, ConvChoice::direct));
  cpu_queue().conv = ConvChoice::automatic;
  return e;
}

/// One pass in f32 by the choice, against f64 computed directly. Weights as he_uniform's: y is as large as x.
Error layer_error(const Conv3dGeometry& g, Conv3dPass pass, ConvChoice choice) {
  const bool spread_pass = pass == Conv3dPass::spread;
  const VolumeShape& in = spread_pass ? g.y : g.x;
  const Values x = normal(in.count(), 1, 1);
  const Values w = normal(g.x.c * g.y.c * 27, 2, std::sqrt(2.0 / (27.0 * static_cast<double>(in.c))));
  const auto result = [&](DType dtype, ConvChoice c) {
    cpu_queue().conv = c;
    const Tensor tensor = to_tensor(x, {in.n, in.c, in.d, in.h, in.w}, Kind::volume, dtype);
    const Tensor weight = to_tensor(w, {g.y.c, g.x.c, 3, 3, 3}, Kind::parameter, dtype);
    return (spread_pass ? spread(g, tensor, weight, {}).first : correlate(g, {tensor}, weight, {})).to_doubles();
  };
  const Error e = error_of(result(DType::f32, choice), result(DType::f64, ConvChoice::direct));
  cpu_queue().conv = ConvChoice::automatic;
  return e;
}

}  // namespace

TEST_CASE("Winograd's error against f64 is bounded on every layer of the network", "[winograd]") {
  constexpr double kRounding = 0x1p-24;
  fmt::print("# largest error / largest |y|, rms error / rms of y, normally distributed inputs\n");
  fmt::print("{:<8}\t{:<10}\t{:>3}\t{:>8}\t{:>8}\t{:>8}\t{:>8}\n", "# layer", "pass", "m", "winograd", "rms", "direct",
             "rms");
  for (const Layer& l : layers()) {
    for (const VolumeShape& extents : {VolumeShape{.n = 1, .c = l.in, .d = 16, .h = 20, .w = 24},   // tiles of 4^3
                                       VolumeShape{.n = 1, .c = l.in, .d = 8, .h = 8, .w = 10}}) {  // tiles of 2^3
      const Conv3dGeometry g = conv3d_geometry(extents, l.out, 3, 1, 1);
      for (const Conv3dPass pass : {Conv3dPass::correlate, Conv3dPass::spread}) {
        const WinogradPlan plan = winograd_plan(g, pass, 1);
        const Error e = layer_error(g, pass, ConvChoice::winograd);
        const Error direct = layer_error(g, pass, ConvChoice::direct);
        fmt::print("{:<8}\t{:<10}\t{:>3}\t{:8.1e}\t{:8.1e}\t{:8.1e}\t{:8.1e}\n", fmt::format("{}-{}", l.in, l.out),
                   pass == Conv3dPass::spread ? "grad input" : "forward", plan.m, e.of_largest, e.rms,
                   direct.of_largest, direct.rms);
        INFO(l.in << " to " << l.out << ", m " << plan.m << ", pass " << static_cast<int>(pass));
        // sums of plan.in.c products, whose errors are independent; the outermost outputs of a tile err most
        const double sigma = kRounding * winograd_amplification(plan.m) * std::sqrt(static_cast<double>(plan.in.c)) / 4;
        CHECK(e.rms <= 2 * sigma);
        CHECK(e.of_rms <= 16 * sigma);
        CHECK(e.of_largest <= (plan.m == 4 ? 1e-5 : 1.5e-6));  // what kernels/plan/winograd.h says
        CHECK(e.rms > 0);
      }
    }
  }
}

TEST_CASE("the error of Winograd's weight gradient against f64 is bounded on every layer of the network",
          "[winograd]") {
  constexpr double kRounding = 0x1p-24;
  fmt::print("# largest error / largest |dW|, rms error / rms of dW, normally distributed x and dy, 20x24x28 voxels\n");
  fmt::print("{:<8}\t{:>8}\t{:>8}\t{:>8}\t{:>8}\n", "# layer", "winograd", "rms", "direct", "rms");
  for (const Layer& l : layers()) {
    if (l.in * l.out > 64 * 128) { continue; }  // the error does not depend on the number of channels
    const Conv3dGeometry g = conv3d_geometry({.n = 1, .c = l.in, .d = 20, .h = 24, .w = 28}, l.out, 3, 1, 1);
    const Error e = gradient_error(g, ConvChoice::winograd);
    const Error direct = gradient_error(g, ConvChoice::direct);
    fmt::print("{:<8}\t{:8.1e}\t{:8.1e}\t{:8.1e}\t{:8.1e}\n", fmt::format("{}-{}", l.in, l.out), e.of_largest, e.rms,
               direct.of_largest, direct.rms);
    INFO(l.in << " to " << l.out);
    const double tiles = 5 * 6 * 7;  // summed in order, whose errors are independent
    const double sigma = kRounding * winograd_amplification(g, Conv3dPass::grad_weight) * std::sqrt(tiles) / 4;
    CHECK(e.rms <= 2 * sigma);
    CHECK(e.of_rms <= 10 * sigma);
    CHECK(e.of_largest <= 1e-5);  // what kernels/plan/winograd_grad.h says
    CHECK(e.rms > 0);
  }
}

TEST_CASE("the choice of a convolution is Winograd's where it wins, f64 is direct, and both can be forced",
          "[winograd]") {
  const auto cube = [](std::int64_t in, std::int64_t out, std::int64_t edge) {
    return conv3d_geometry({.n = 1, .c = in, .d = edge, .h = edge, .w = edge}, out, 3, 1, 1);
  };
  CpuQueue q{.threads = 2, .isa = std::min(best_isa(), Isa::avx512)};
  const auto is_winograd = [&]<class T>(const Conv3dGeometry& g, Conv3dPass pass, T) {
    return choose<T>(q, pass, g) == Conv3dAlgorithm::winograd;
  };
  using enum Conv3dPass;
  const Conv3dGeometry usual = cube(16, 16, 128);
  const Conv3dGeometry first = cube(4, 16, 128);
  const Conv3dGeometry tiny = cube(256, 256, 4);
  const Conv3dGeometry strided = conv3d_geometry({.n = 1, .c = 16, .d = 64, .h = 64, .w = 64}, 16, 3, 2, 1);
  CHECK(is_winograd(usual, correlate, 0.0F));
  CHECK(is_winograd(usual, spread, 0.0F));
  CHECK(is_winograd(usual, correlate, Bf16{}));
  CHECK(is_winograd(usual, grad_weight, 0.0F));
  CHECK_FALSE(is_winograd(usual, grad_weight, 0.0));
  CHECK_FALSE(is_winograd(cube(256, 256, 8), grad_weight, 0.0F));
  CHECK_FALSE(is_winograd(usual, correlate, 0.0));
  CHECK_FALSE(is_winograd(first, correlate, 0.0F));
  CHECK_FALSE(is_winograd(tiny, correlate, 0.0F));
  q.conv = ConvChoice::direct;
  CHECK_FALSE(is_winograd(usual, correlate, 0.0F));
  q.conv = ConvChoice::winograd;
  CHECK(is_winograd(usual, correlate, 0.0));
  CHECK(is_winograd(first, correlate, 0.0F));
  CHECK(is_winograd(tiny, spread, 0.0F));
  CHECK_FALSE(is_winograd(strided, correlate, 0.0F));
}

TEST_CASE("the boxes of a Winograd plan cover the outputs and its shares the channels", "[winograd]") {
  for (const auto& [shape, out] :
       {std::pair{VolumeShape{2, 5, 7, 9, 70}, 40}, std::pair{VolumeShape{1, 64, 32, 32, 32}, 64},
        std::pair{VolumeShape{1, 16, 1, 1, 1}, 1}, std::pair{VolumeShape{1, 128, 8, 8, 8}, 256}}) {
    const Conv3dGeometry g = conv3d_geometry(shape, out, 3, 1, 1);
    for (const std::int64_t m : {2, 4}) {
      const WinogradPlan p = winograd_plan_of(m, g, Conv3dPass::correlate, 1);
      std::int64_t voxels = 0;
      for (std::int64_t i = 0; i < p.boxes(); ++i) {
        const WinogradBox b = p.box(i);
        CHECK(b.tiles_h * b.tiles_w >= 1);
        voxels +=
            std::min(m, g.y.d - b.d) * std::min(b.tiles_h * m, g.y.h - b.h) * std::min(b.tiles_w * m, g.y.w - b.w);
      }
      CHECK(voxels == g.y.n * g.y.voxels());
      CHECK(p.shares >= 1);
      CHECK(p.shares <= p.groups());
      CHECK(p.task_channels() * p.shares >= p.out.c);
    }
  }
}

}  // namespace vox::test
