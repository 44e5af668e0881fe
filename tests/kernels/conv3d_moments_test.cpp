#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "engine/allocator.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "kernels/conv3d.h"
#include "kernels/plan/gpu.h"
#include "kernels/simt/options.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

// Conv3dEpilogue on a device: what a march does to the result besides writing it.

namespace vox::test {
namespace {

/// The one that has an epilogue.
Conv3dAlgorithm algorithm_of(DType dtype) {
  return dtype == DType::bf16 ? Conv3dAlgorithm::tensor_core : Conv3dAlgorithm::tiled;
}

Conv3dGeometry conv(const Shape& x, std::int64_t out) { return conv3d_geometry(x.volume(), out, 3, 1, 1); }

/// Both shapes of a tile, whole and ragged, warps that have no voxel, one, an even and an odd number of blocks of input
/// channels, blocks of output channels that are missing or padded, marches of one slice and of several; and channels
/// that are split, whose boxes are whole, ragged and of one voxel.
std::vector<Conv3dGeometry> geometries() {
  return {conv({1, 1, 1, 1, 1}, 1),   conv({2, 3, 5, 6, 7}, 4),    conv({1, 16, 11, 13, 29}, 16),
          conv({2, 9, 5, 9, 18}, 35), conv({1, 4, 9, 10, 31}, 16), conv({100, 24, 1, 2, 9}, 20),
          conv({3, 8, 4, 8, 8}, 33),  conv({200, 3, 33, 1, 2}, 5), conv({1, 16, 3, 32, 16}, 16),
          conv({2, 33, 3, 5, 9}, 20), conv({1, 64, 4, 4, 4}, 8),   conv({2, 40, 1, 1, 1}, 9)};
}

std::int64_t boxes_of(const Conv3dGeometry& g, DType dtype) {
  const auto& q = simt_queue();
  return dtype == DType::bf16 ? conv3d_boxes<Bf16>(q, g, algorithm_of(dtype))
                              : conv3d_boxes<float>(q, g, algorithm_of(dtype));
}

struct Convolved {
  Values y;
  Values moments;
  std::int64_t boxes = 0;
};

/// y and its moments, in memory whose fresh bytes are NaN.
Convolved convolved(const Conv3dGeometry& g, const Values& x_values, const Values& weights, bool relu, DType dtype,
                    Device device) {
  const Tensor x = to_tensor(x_values, {g.x.n, g.x.c, g.x.d, g.x.h, g.x.w}, Kind::volume, dtype).to(device);
  const Tensor weight = to_tensor(weights, {g.y.c, g.x.c, 3, 3, 3}, Kind::parameter, dtype).to(device);
  set_fresh_memory(FreshMemory::nan);
  Tensor y = Tensor::volume({g.y.n, g.y.c, g.y.d, g.y.h, g.y.w}, dtype, device);
  const std::int64_t boxes = boxes_of(g, dtype);
  Tensor moments({g.y.blocks() * boxes * kBoxMoments}, DType::f64, device);
  Tensor scratch({conv3d_forward_scratch(simt_queue(), g, algorithm_of(dtype))}, DType::f32, device);
  dispatch(device, dtype, [&]<class T>(auto& q, TypeTag<T>) {
    conv3d_forward(q, Conv3dArgs<T>{.geometry = g,
                                    .algorithm = algorithm_of(dtype),
                                    .x = x.values<T>(),
                                    .weight = weight.values<Acc<T>>(),
                                    .bias = {},
                                    .y = y.mutable_values<T>(),
                                    .epilogue = {.relu = relu, .moments = moments.mutable_values<double>()},
                                    .scratch = scratch.mutable_values<Acc<T>>()});
  });
  set_fresh_memory(FreshMemory::as_found);
  CHECK(nonzero_padding(y) == "");
  return {.y = y.to_doubles(), .moments = moments.to_doubles(), .boxes = boxes};
}

struct Moments {
  double count = 0;
  double mean = 0;
  double m2 = 0;
};

/// The boxes' of a channel, or of a lane that pads the last block, merged.
Moments merged(const Convolved& c, std::int64_t channel) {
  Moments all;
  for (std::int64_t i = 0; i < c.boxes; ++i) {
    const auto at = static_cast<std::size_t>((channel / kBlock8 * c.boxes + i) * kBoxMoments + channel % kBlock8);
    const Moments m{.count = c.moments[at], .mean = c.moments[at + kBlock8], .m2 = c.moments[at + 2 * kBlock8]};
    const double both = all.count + m.count;
    const double step = m.mean - all.mean;
    all = {.count = both,
           .mean = all.mean + step * m.count / both,
           .m2 = all.m2 + m.m2 + step * step * all.count * m.count / both};
  }
  return all;
}

/// Calls body with every value of a channel.
template <class Body> void each_value(const Conv3dGeometry& g, const Values& y, std::int64_t c, const Body& body) {
  for (std::int64_t i = 0; i < g.y.n * g.y.voxels(); ++i) {
    const std::int64_t n = i / g.y.voxels();
    body(y[static_cast<std::size_t>((n * g.y.c + c) * g.y.voxels() + i % g.y.voxels())]);
  }
}

/// Against the definition. A sum is rounded at most 45 times, 8 rows, 3 steps over lanes, 32 slices, a difference and a
/// square, and is of distances d from a value of the channel: |d| <= 2r, where no value is further than r from the
/// mean. So the sum of d is wrong by 90 u n r at most, that of d*d by 46 u of itself, M2 by 136 u (M2 + n r^2).
void check_moments(const Conv3dGeometry& g, const Convolved& got) {
  constexpr double kRoundoff = 0x1p-24;
  const auto count = static_cast<double>(g.y.n * g.y.voxels());
  for (std::int64_t c = 0; c < g.y.blocks() * kBlock8; ++c) {
    INFO("channel " << c);
    const Moments m = merged(got, c);
    CHECK(m.count == count);
    if (c >= g.y.c) {
      CHECK(m.mean == 0);
      CHECK(m.m2 == 0);
      continue;
    }
    Moments want;
    double reach = 0;
    each_value(g, got.y, c, [&](double y) { want.mean += y / count; });
    each_value(g, got.y, c, [&](double y) {
      want.m2 += (y - want.mean) * (y - want.mean);
      reach = std::max(reach, std::abs(y - want.mean));
    });
    CHECK(std::abs(m.mean - want.mean) <= 90 * kRoundoff * reach + 1e-13 * std::abs(want.mean));
    CHECK(std::abs(m.m2 - want.m2) <= 136 * kRoundoff * (want.m2 + count * reach * reach) + 1e-13 * count);
  }
}

Values weights_of(const Conv3dGeometry& g) { return make_values(g.y.c * g.x.c * 27, 3); }

/// y = x of the first channels of x, every weight but the middle one being 0.
Values identity_of(const Conv3dGeometry& g) {
  Values v(static_cast<std::size_t>(g.y.c * g.x.c * 27), 0);
  for (std::int64_t c = 0; c < g.y.c; ++c) { v[static_cast<std::size_t>((c * g.x.c + c % g.x.c) * 27 + 13)] = 1; }
  return v;
}

}  // namespace

TEST_CASE("the moments that a convolution takes in passing are those of what it writes", "[conv3d][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const DType dtype = GENERATE(DType::bf16, DType::f32);
  for (const Conv3dGeometry& g : few_under_asan(geometries())) {
    if (dtype == DType::f32 && g.x.n > 100) { continue; }  // as many tiles to execute
    const Values x = make_values(g.x.n * g.x.c * g.x.voxels(), 1);
    Values rectified;
    for (const bool relu : {false, true}) {
      if (relu && g.x.n >= 100) { continue; }  // as many tiles to execute
      INFO(fmt::format("{}x{}x{}x{}x{} to {}, relu {}, {}", g.x.n, g.x.c, g.x.d, g.x.h, g.x.w, g.y.c, relu,
                       name(dtype)));
      REQUIRE(boxes_of(g, dtype) > 0);
      const Convolved got = convolved(g, x, weights_of(g), relu, dtype, device);
      check_moments(g, got);
      if (relu) {
        CHECK(got.y == rectified);
      } else {
        rectified = got.y;
        for (double& y : rectified) { y = std::max(y, 0.0); }
      }
    }
  }
}

TEST_CASE("moments of values about 1000 with deviation 1 are exact, those of equal values are 0",
          "[conv3d][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const Conv3dGeometry g = conv({400, 2, 12, 8, 8}, 2);  // 768 values of a warp: their squares would not add up in f32
  const bool equal = GENERATE(false, true);
  Values x = make_values(g.x.n * g.x.c * g.x.voxels(), 6);
  for (double& v : x) { v = 1000 + (!equal && std::abs(v) > 1.875 ? 4 : 0); }  // neighbours in bf16
  const Convolved got = convolved(g, x, identity_of(g), false, DType::bf16, device);
  CHECK(got.y == x);
  for (std::int64_t c = 0; c < g.y.c; ++c) {
    const Moments m = merged(got, c);
    if (equal) {
      CHECK(m.mean == 1000);
      CHECK(m.m2 == 0);
      continue;
    }
    Moments want{.count = static_cast<double>(g.y.n * g.y.voxels())};
    each_value(g, x, c, [&](double y) { want.mean += y - 1000; });  // whole numbers
    want.mean = 1000 + want.mean / want.count;
    each_value(g, x, c, [&](double y) { want.m2 += (y - want.mean) * (y - want.mean); });
    CHECK(want.m2 > 0.25 * want.count);
    CHECK(std::abs(m.mean - want.mean) <= 1e-9);  // distances and squares are whole numbers: double alone rounds
    CHECK(std::abs(m.m2 - want.m2) <= 1e-9 * want.m2);
  }
}

TEST_CASE("moments on the simt device have the same bits in any order of blocks and threads",
          "[conv3d][simt][determinism]") {
  const simt::Options before = simt::options();
  const Conv3dGeometry g = GENERATE(conv({2, 9, 5, 9, 18}, 35), conv({2, 33, 3, 5, 9}, 20));  // the latter in shares
  const auto moments = [&](simt::Order order) {
    simt::options().order = order;
    return convolved(g, make_values(g.x.n * g.x.c * g.x.voxels(), 1), weights_of(g), false, DType::bf16, Device::simt)
        .moments;
  };
  const Values forward = moments(simt::Order::forward);
  CHECK(moments(simt::Order::reverse) == forward);
  CHECK(moments(simt::Order::random) == forward);
  simt::options() = before;
}

TEST_CASE("a GPU takes moments in passing by tensor cores, and in f32 by tiles", "[conv3d][choose]") {
  const DeviceQueue q;
  const auto boxes = [&](std::int64_t in, std::int64_t out, std::int64_t edge, std::int64_t cases) {
    return conv3d_boxes<Bf16>(q, conv({cases, in, edge, edge, edge}, out), Conv3dAlgorithm::tensor_core);
  };
  CHECK(boxes(16, 16, 128, 1) == 384);    // 64 tiles in 6 parts
  CHECK(boxes(16, 16, 128, 16) == 4096);  // 16 cases of 64 tiles in 4 parts of 32 slices
  CHECK(boxes(128, 128, 16, 1) == 64);    // its channels are split, their sums added by boxes of 64 voxels
  CHECK(boxes(256, 256, 8, 16) == 64);
  const Conv3dGeometry g = conv({1, 16, 128, 128, 128}, 16);
  CHECK(conv3d_boxes<float>(q, g, Conv3dAlgorithm::tiled) == 384);
  CHECK(conv3d_boxes<double>(q, g, Conv3dAlgorithm::tiled) == 0);
  CHECK(conv3d_boxes<Bf16>(q, g, Conv3dAlgorithm::tiled) == 0);
}

}  // namespace vox::test
