#include <limits>
#include <vector>

#include "engine/context.h"
#include "kernels/conv_transpose3d.h"
#include "kernels/plan/gpu.h"
#include "model/summary.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

using enum Conv3dAlgorithm;

constexpr std::array<Conv3dPass, 3> kPasses = {Conv3dPass::correlate, Conv3dPass::spread, Conv3dPass::grad_weight};

Conv3dGeometry conv(const VolumeShape& x, std::int64_t out, std::int64_t kernel) {
  return conv3d_geometry(x, out, kernel, 1, kernel / 2);
}
VolumeShape cube(std::int64_t channels, std::int64_t edge, std::int64_t cases = 1) {
  return {.n = cases, .c = channels, .d = edge, .h = edge, .w = edge};
}

struct Layer {
  std::string name;
  Conv3dGeometry geometry;
  Conv3dAlgorithm f32;
  Conv3dAlgorithm bf16;
};

/// Every convolution of the seed net at 128^3.
std::vector<Layer> seed_net(std::int64_t cases = 1) {
  std::vector<Layer> layers;
  for (const LayerCost& l : unet_summary(unet_preset("seed"), cases, 128, DType::f32)) {
    if (!l.convolution) { continue; }
    const bool cubes = l.convolution->kernel == 3;
    layers.push_back({l.name, *l.convolution, cubes ? tiled : gemm, cubes ? tensor_core : gemm});
  }
  return layers;
}

std::int64_t scratch(const Conv3dGeometry& g, Conv3dPass pass, Conv3dAlgorithm algorithm) {
  const DeviceQueue q;
  return pass == Conv3dPass::correlate ? conv3d_forward_scratch(q, g, algorithm)
         : pass == Conv3dPass::spread  ? conv_transpose3d_scratch(q, g, algorithm)
                                       : conv3d_grad_weight_scratch(q, g, algorithm);
}

}  // namespace

TEST_CASE("a GPU takes tiles in f32 and f64 and tensor cores in bf16 for the net's 3^3, matrix products for the rest",
          "[conv3d][choose]") {
  const DeviceQueue q;
  const std::vector<Layer> layers = seed_net();
  CHECK(layers.size() == 23);
  for (const Layer& l : layers) {
    for (const Conv3dPass pass : kPasses) {
      INFO(l.name << ", pass " << static_cast<int>(pass));
      CHECK(choose<float>(q, pass, l.geometry) == l.f32);
      CHECK(choose<double>(q, pass, l.geometry) == l.f32);
      CHECK(choose<Bf16>(q, pass, l.geometry) == l.bf16);
      CHECK(scratch(l.geometry, pass, l.f32) > 0);
      CHECK(scratch(l.geometry, pass, l.f32) <= 1LL << 22);  // 16 MiB of f32
      CHECK(scratch(l.geometry, pass, l.bf16) <= 1LL << 22);
    }
  }
}

TEST_CASE("an x in two tensors changes no choice but that of the matrix product, which does not take it",
          "[conv3d][choose]") {
  const DeviceQueue q;
  for (const Conv3dPass pass : kPasses) {
    Conv3dGeometry g = conv(cube(32, 32), 16, 3);
    g.split = 8;
    CHECK(choose<Bf16>(q, pass, g) == tensor_core);
    CHECK(choose<float>(q, pass, g) == tiled);
    g = conv(cube(32, 32), 16, 1);
    g.split = 8;
    CHECK(choose<Bf16>(q, pass, g) == direct);
    CHECK(choose<float>(q, pass, g) == direct);
  }
}

TEST_CASE("a GPU takes the direct algorithm where the others do not reach", "[conv3d][choose]") {
  const DeviceQueue q;
  const VolumeShape x = cube(16, 32);
  for (const Conv3dPass pass : kPasses) {
    CHECK(choose<Bf16>(q, pass, conv(x, 16, 5)) == direct);
    CHECK(choose<float>(q, pass, conv3d_geometry(x, 16, 3, 2, 1)) == direct);
    CHECK(choose<Bf16>(q, pass, conv3d_geometry(x, 16, 3, 2, 0)) == direct);
    CHECK(choose<Bf16>(q, pass, conv3d_geometry(x, 16, 3, 1, 0)) == direct);
    CHECK(choose<float>(q, pass, conv3d_geometry(x, 16, 1, 2, 0)) == direct);
    CHECK(choose<float>(q, pass, conv_transpose3d_geometry(x, 16, 2, 2, 0, 1)) == direct);  // windows leave voxels bare
    CHECK(choose<float>(q, pass, conv_transpose3d_geometry(x, 16, 3, 2, 1, 1)) == direct);
    CHECK(choose<float>(q, pass, conv_transpose3d_geometry(x, 16, 3, 1, 1, 0)) == tiled);
  }
}

TEST_CASE("a GPU takes tensor cores in bf16 for 3^3 of stride 2, whose phases are eight volumes as large as the result",
          "[conv3d][choose]") {
  const DeviceQueue q;
  for (const std::int64_t edge : {32, 33}) {
    const Conv3dGeometry g = conv3d_geometry(cube(12, edge, 2), 32, 3, 2, 1);
    for (const Conv3dPass pass : kPasses) {
      CHECK(choose<Bf16>(q, pass, g) == tensor_core);
      CHECK(2 * scratch(g, pass, tensor_core) >= conv3d_phases(g).x.padded_count());
    }
    CHECK(conv3d_phases(g).x == VolumeShape{2, 8 * 16, g.y.d, g.y.h, g.y.w});
    CHECK(conv3d_boxes<Bf16>(q, g, tensor_core) > 0);
    CHECK(conv_transpose3d_boxes(q, g, tensor_core) == 0);
  }
  const Conv3dGeometry one_block = conv3d_geometry(cube(16, 32), 8, 3, 2, 1);  // no pairs to gather
  CHECK(choose<Bf16>(q, Conv3dPass::correlate, one_block) == tensor_core);
  CHECK(choose<Bf16>(q, Conv3dPass::spread, one_block) == direct);
  CHECK(choose<Bf16>(q, Conv3dPass::spread, conv_transpose3d_geometry(cube(16, 5), 16, 3, 2, 1, 1)) == tensor_core);
  CHECK(choose<Bf16>(q, Conv3dPass::spread, conv_transpose3d_geometry(cube(16, 5), 16, 3, 2, 1, 2)) == direct);
}

TEST_CASE("the tiles and parts of a march cover the volume, and the shares of its gradient have work",
          "[conv3d][choose]") {
  const auto covers = [](std::int64_t parts, std::int64_t size, std::int64_t extent) {
    return parts * size >= extent && (parts - 1) * size < extent;
  };
  for (const VolumeShape& x : {cube(4, 1), cube(16, 8), cube(33, 9), cube(16, 17, 3), cube(64, 128, 16),
                               VolumeShape{.n = 1, .c = 5, .d = 40, .h = 33, .w = 3}}) {
    const Conv3dGeometry g = conv(x, 24, 3);
    for (const Conv3dPass pass : kPasses) {
      for (const std::int64_t rows : {4, 8}) {
        INFO(x.c << " channels, " << x.d << "x" << x.h << "x" << x.w << ", " << rows << " rows");
        const Conv3dMarch m = conv3d_march(g, pass, rows);
        CHECK(covers(m.tiles_w, m.tile_w, m.out.w));
        CHECK(covers(m.tiles_h, m.tile_h, m.out.h));
        CHECK(covers(m.parts, m.depth, m.out.d));
        CHECK(covers(m.groups, m.warps_n * kGroup, m.out.c));
      }
    }
    for (const std::int64_t input_group : {8, 16}) {
      const Conv3dGradMarch m = conv3d_grad_march(g, input_group);
      CHECK(m.shares() >= 1);
      CHECK(m.shares() <= m.march.columns());
      const std::int64_t of_share = m.march.groups * m.input_groups;
      CHECK(m.shares() * of_share <= 2 * std::max(kWantedBlocks, x.n * of_share));
      CHECK(covers(m.input_groups, input_group, g.x.c));
    }
  }
}

TEST_CASE("more elements than 32 bits count are taken, a slice of as many is not", "[conv3d][choose]") {
  const DeviceQueue q;
  constexpr std::int64_t kInt = std::numeric_limits<std::int32_t>::max();
  const Conv3dGeometry large = conv(cube(64, 128, 16), 32, 3);  // batch 16 before the last level of the 32..512 net
  CHECK(large.x.padded_count() > kInt);
  for (const Conv3dPass pass : kPasses) {
    CHECK(choose<Bf16>(q, pass, large) == tensor_core);
    CHECK(choose<float>(q, pass, large) == tiled);
    const Conv3dMarch m = conv3d_march(large, pass, 8);
    CHECK(m.blocks() <= kInt);
    CHECK(m.out.h * m.out.w * kBlock8 <= kInt);  // what the kernels count in 32 bits
    CHECK(scratch(large, pass, tiled) <= 1LL << 22);
  }
  const VolumeShape wide{.n = 1, .c = 1, .d = 1, .h = 1 << 14, .w = 1 << 14};  // 2^28 voxels: 2^31 elements in a slice
  const VolumeShape many{.n = 1LL << 32, .c = 1, .d = 1, .h = 1, .w = 1};
  for (const Conv3dPass pass : kPasses) {
    for (const VolumeShape& x : {wide, many}) {
      CHECK(choose<Bf16>(q, pass, conv(x, 1, 3)) == direct);
      CHECK(choose<float>(q, pass, conv(x, 1, 3)) == direct);
      CHECK(choose<float>(q, pass, conv(x, 1, 1)) == direct);
    }
  }
  for (const Layer& l : seed_net(16)) {
    INFO(l.name);
    for (const Conv3dPass pass : kPasses) { CHECK(choose<Bf16>(q, pass, l.geometry) == l.bf16); }
  }
}

}  // namespace vox::test
