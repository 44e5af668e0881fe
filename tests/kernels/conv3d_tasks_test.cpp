#include <algorithm>
#include <array>
#include <vector>

#include "engine/context.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/plan/amx.h"
#include "kernels/plan/amx_gemm.h"
#include "kernels/plan/tasks.h"
#include "kernels/plan/tiled.h"
#include "kernels/plan/winograd.h"
#include "kernels/plan/winograd_grad.h"
#include "model/summary.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

// Tasks of the CPU's convolutions: enough for 64 threads, without a sum that depends on their number.

namespace vox::test {
namespace {

using enum Conv3dPass;
using Tasks = std::array<std::int64_t, 3>;  ///< of correlate, spread and grad_weight

constexpr std::array<int, 6> kThreads = {1, 2, 16, 17, 40, 64};

/// Every convolution of the seed network on one case of 128^3.
std::vector<LayerCost> convolutions() {
  std::vector<LayerCost> all = unet_summary(unet_preset("seed"), 1, 128, DType::f32);
  std::erase_if(all, [](const LayerCost& l) { return !l.convolution; });
  return all;
}
bool is_gemm(const LayerCost& l) { return gemm_takes(*l.convolution); }

Tasks by_amx(const Conv3dGeometry& g, int threads) {
  if (gemm_takes(g)) {
    const auto of = [&](Conv3dPass pass) { return amx_gemm(g, pass, true, threads).tasks(); };
    return {of(correlate), of(spread), of(grad_weight)};
  }
  return {amx_conv(g, correlate, true, threads).tasks(), amx_conv(g, spread, true, threads).tasks(),
          amx_grad_weight(g, true, threads).tasks()};
}
Tasks by_winograd(const Conv3dGeometry& g, int threads) {
  return {winograd_plan(g, correlate, threads).tasks(), winograd_plan(g, spread, threads).tasks(),
          winograd_grad_plan(g, threads).tasks()};
}
Tasks by_tiles(const Conv3dGeometry& g, int threads) {
  const auto of = [&](Conv3dPass pass) { return conv3d_tiling(g, pass, threads).tasks(); };
  return {of(correlate), of(spread), of(grad_weight)};
}
Tasks by_gemm(const Conv3dGeometry& g, int threads) {
  const GemmPlan w = gemm_plan(g, threads);
  return {w.rows(), w.rows(), w.parts * w.shares};
}

/// y, the running statistics and the gradients of x and the weight of a layer of the network.
std::array<Values, 5> run(const Shape& shape, std::int64_t out, DType dtype, int threads) {
  cpu_queue().threads = threads;
  const auto volume = [&](const Shape& s, unsigned seed) {
    return cast(Tensor::volume_of<double>(s, make_full_mantissa(s.count(), seed, false)), dtype);
  };
  const auto channels = [&](double value) {
    const Values values(static_cast<std::size_t>(out), value);
    return cast(Tensor::of<double>({out}, values), accumulator(dtype));
  };
  const Shape kernel{out, shape[1], 3, 3, 3};
  Tensor x = volume(shape, 1).requires_grad();
  Tensor w = cast(Tensor::of<double>(kernel, make_full_mantissa(kernel.count(), 2, false)), accumulator(dtype));
  w.requires_grad();
  const Tensor mean = channels(0);
  const Tensor variance = channels(1);
  const Tensor y = conv3d_batch_norm_relu(x, {}, w, channels(1), channels(0), mean, variance);
  backward(y, volume({shape[0], out, shape[2], shape[3], shape[4]}, 3));
  return {y.to_doubles(), mean.to_doubles(), variance.to_doubles(), x.grad().to_doubles(), w.grad().to_doubles()};
}

}  // namespace

TEST_CASE("64 threads have work at every level of the seed network, in every pass", "[conv3d][tasks]") {
  // Fewer tasks than kMostTasks, by AMX: "bottleneck.conv1", spread, has four pairs of tiles of channels by eight
  // planes; what else is below is shared out in one turn of larger tasks.
  const auto check = [](const LayerCost& l, const char* algorithm, const Tasks& tasks, std::int64_t least) {
    for (std::size_t pass = 0; pass < tasks.size(); ++pass) {
      INFO(l.name << " by " << algorithm << ", pass " << pass);
      CHECK(tasks[pass] >= least);
    }
  };
  const std::vector<LayerCost> layers = convolutions();
  CHECK(layers.size() == 23);
  for (const LayerCost& l : layers) {
    const Conv3dGeometry& g = *l.convolution;
    check(l, "amx", by_amx(g, kMostTasks), l.name == "bottleneck.conv1" ? 32 : 48);
    if (is_gemm(l)) {
      check(l, "gemm", by_gemm(g, kMostTasks), kMostTasks);
    } else {
      check(l, "winograd", by_winograd(g, kMostTasks), kMostTasks);
      // Blocks of a few rows of eight voxels cost a fifth more at the deepest level: they are not cut finer for its
      // sake.
      const Tasks tiled = by_tiles(g, kMostTasks);
      CHECK(tiled[2] >= kMostTasks);
      CHECK(std::min(tiled[0], tiled[1]) >= (g.y.d > 32 ? kMostTasks : 16));
    }
  }
}

TEST_CASE("a few threads get large tasks", "[conv3d][tasks]") {
  for (const LayerCost& l : convolutions()) {
    if (is_gemm(l)) { continue; }
    INFO(l.name);
    const Conv3dGeometry& g = *l.convolution;
    for (const int threads : {1, 2, 16}) {
      CHECK(by_amx(g, threads) == by_amx(g, 1));
      if (threads <= 8) { CHECK(by_winograd(g, threads) == by_winograd(g, 1)); }  // the fewest tasks of a gradient
      CHECK(by_tiles(g, threads) == by_tiles(g, 1));
    }
    if (g.x.d > 16) { continue; }  // few boxes: a share of the channels reads all of its input again
    CHECK(by_amx(g, 2)[0] <= 24);
    CHECK(by_winograd(g, 2)[0] <= 24);
    CHECK(by_tiles(g, 2)[0] <= 36);
  }
}

TEST_CASE("what is added up apart does not depend on the number of threads", "[conv3d][tasks]") {
  const CpuQueue q;
  for (const LayerCost& l : convolutions()) {
    INFO(l.name);
    const Conv3dGeometry& g = *l.convolution;
    for (const int threads : kThreads) {
      INFO(threads << " threads");
      if (is_gemm(l)) {
        CHECK(gemm_plan(g, threads).parts == gemm_plan(g, 1).parts);
        CHECK(amx_gemm(g, grad_weight, true, threads).sums == amx_gemm(g, grad_weight, true, 1).sums);
        continue;
      }
      const AmxConv c = amx_conv(g, correlate, true, threads);
      const AmxConv c1 = amx_conv(g, correlate, true, 1);
      CHECK((c.boxes.depth == c1.boxes.depth && c.boxes.height == c1.boxes.height));
      CHECK(c.stack * c.boxes.depth <= c1.stack * c1.boxes.depth);
      CHECK(c.worker_floats() <= c1.worker_floats());
      const AmxGradWeight w = amx_grad_weight(g, true, threads);
      const AmxGradWeight w1 = amx_grad_weight(g, true, 1);
      CHECK((w.boxes.depth == w1.boxes.depth && w.boxes.height == w1.boxes.height && w.sums == w1.sums));
      CHECK(w.together == w1.together);
      for (const Conv3dPass pass : {correlate, spread}) {
        const WinogradPlan p = winograd_plan(g, pass, threads);
        CHECK((p.layers() == winograd_plan(g, pass, 1).layers() && p.tiles_h % p.layer_h == 0));
        std::vector<int> seen(static_cast<std::size_t>(p.layers()), 0);
        for (std::int64_t i = 0; i < p.boxes(); ++i) {
          const WinogradBox b = p.box(i);
          for (std::int64_t h = 0; h < b.tiles_h; h += p.layer_h) {
            ++seen.at(static_cast<std::size_t>(p.first_layer(b) + h / p.layer_h * p.boxes_d));
          }
        }
        CHECK(std::ranges::all_of(seen, [](int n) { return n == 1; }));
      }
      const WinogradGradPlan p = winograd_grad_plan(g, threads);
      CHECK((p.parts == winograd_grad_plan(g, 1).parts && p.tiles() == winograd_grad_plan(g, 1).tiles()));
      CHECK(p.shared_elements() == winograd_grad_plan(g, 1).shared_elements());
      const Conv3dTiling t = conv3d_tiling(g, grad_weight, threads);
      CHECK((t.parts == conv3d_tiling(g, grad_weight, 1).parts &&
             t.blocks() == conv3d_tiling(g, grad_weight, 1).blocks()));
      for (const Conv3dAlgorithm a : {Conv3dAlgorithm::amx, Conv3dAlgorithm::winograd, Conv3dAlgorithm::tiled}) {
        CHECK(conv3d_boxes<float>(CpuQueue{.threads = threads}, g, a) == conv3d_boxes<float>(q, g, a));
      }
    }
  }
}

TEST_CASE("a layer gives the same bits on more threads than its large tasks are", "[conv3d][tasks]") {
  const CpuQueue before = cpu_queue();
  const std::vector<std::pair<Shape, std::int64_t>> shapes = {
      {{1, 32, 12, 20, 16}, 48}, {{1, 16, 33, 16, 20}, 16}, {{2, 16, 4, 8, 8}, 33}, {{1, 64, 8, 8, 8}, 64}};
  for (const ConvChoice choice : {ConvChoice::amx, ConvChoice::winograd, ConvChoice::direct}) {
    if (choice == ConvChoice::amx && best_isa() != Isa::amx) { continue; }
    cpu_queue() = {.threads = 1, .isa = best_isa(), .conv = choice};
    for (const auto& [shape, out] : shapes) {
      for (const DType dtype : {DType::f32, DType::bf16}) {
        INFO(shape.str() << " to " << out << ", " << name(choice) << ", " << name(dtype));
        const std::array<Values, 5> wants = run(shape, out, dtype, 1);
        for (const int threads : {17, 40, 64}) { CHECK(run(shape, out, dtype, threads) == wants); }
      }
    }
  }
  cpu_queue() = before;
}

}  // namespace vox::test
