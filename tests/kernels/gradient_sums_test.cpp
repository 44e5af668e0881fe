#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "engine/allocator.h"
#include "engine/dispatch.h"
#include "engine/kept.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/conv_transpose3d.h"
#include "kernels/dropout.h"
#include "kernels/simt/memory.h"
#include "kernels/simt/options.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

// BatchNormGradSums on a device: what a convolution's gradient takes in passing for the batch norm before it.

namespace vox::test {
namespace {

constexpr auto kAlgorithm = Conv3dAlgorithm::tensor_core;
constexpr double kEps = 1e-3;

/// y in, x out: a convolution of `in` channels, whose gradient it is, has so many.
Conv3dGeometry conv(std::int64_t n, std::int64_t in, const Shape& extents, std::int64_t out) {
  return conv3d_geometry(Shape{n, in, extents[0], extents[1], extents[2]}.volume(), out, 3, 1, 1);
}

/// Both shapes of a tile, whole and ragged, rows and columns that are missing, blocks of channels that are missing or
/// padded, marches of one slice and of several, one step of channels and two; and channels that are split, an odd
/// number of blocks among them, whose boxes are whole, ragged and of one voxel.
std::vector<Conv3dGeometry> geometries() {
  return {conv(1, 16, {5, 13, 29}, 16), conv(1, 35, {5, 9, 18}, 9),  conv(1, 3, {3, 32, 16}, 16),
          conv(1, 33, {4, 8, 8}, 16),   conv(200, 5, {1, 2, 9}, 25), conv(1, 20, {33, 1, 2}, 12),
          conv(2, 20, {3, 5, 9}, 33),   conv(1, 8, {4, 4, 4}, 64),   conv(2, 9, {1, 1, 1}, 40),
          conv(50, 12, {2, 9, 3}, 9)};
}

/// Whose gradient it is: of batch norm and relu, with dropout or without, or of instance norm and leaky_relu, or relu
/// and dropout.
struct Layer {
  bool drops = false;
  bool instance = false;

  [[nodiscard]] Activation activation() const {
    using enum Activation::Kind;
    return {.kind = drops      ? relu_dropout
                    : instance ? leaky_relu
                               : relu,
            .p = drops ? 0.375 : 0,
            .key = {.seed = 0x123456789ABCULL, .step = 3, .place = 4},
            .negative_slope = instance && !drops ? 0.25 : 0};
  }
  [[nodiscard]] std::int64_t groups(const Conv3dGeometry& g) const { return instance ? g.x.n : 1; }
};

struct Norm {
  Values mean;      ///< [groups,C]
  Values variance;  ///< [groups,C]
  Values gamma;
  Values beta;
};
/// No value of make_values() comes out near 0.
Norm norm_of(std::int64_t groups, std::int64_t channels) {
  Norm n;
  for (std::int64_t c = 0; c < groups * channels; ++c) {
    const auto i = static_cast<double>(c % 64);
    n.mean.push_back(0.03125 * i - 0.25);
    n.variance.push_back(1 + 0.125 * i);
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto i = static_cast<double>(c);
    n.gamma.push_back(c % 3 == 2 ? -0.75 : 1.25);
    n.beta.push_back(0.0078125 + 0.015625 * i);
  }
  return n;
}

struct Spread {
  Values dx;
  Values sums;
  std::int64_t boxes = 0;
};

/// The gradient of the input, in memory whose fresh bytes are NaN, and the sums of it, where wanted.
Spread spread_of(const Conv3dGeometry& g, const Values& x_values, const Layer& layer, bool wanted, Device device) {
  const auto make = [&](const Values& v, const Shape& s, Kind kind) {
    return to_tensor(v, s, kind, DType::bf16).to(device);
  };
  const Shape shape{g.x.n, g.x.c, g.x.d, g.x.h, g.x.w};
  const Tensor dy =
      make(make_values(g.y.n * g.y.c * g.y.voxels(), 1), {g.y.n, g.y.c, g.y.d, g.y.h, g.y.w}, Kind::volume);
  const Tensor weight = make(make_values(g.y.c * g.x.c * 27, 3), {g.y.c, g.x.c, 3, 3, 3}, Kind::parameter);
  const Tensor x = make(x_values, shape, Kind::volume);
  const Norm n = norm_of(layer.groups(g), g.x.c);
  const auto vector = [&](const Values& v) { return make(v, {std::ssize(v)}, Kind::parameter); };
  const Tensor mean = vector(n.mean);
  const Tensor variance = vector(n.variance);
  const Tensor gamma = vector(n.gamma);
  const Tensor beta = vector(n.beta);
  const std::int64_t boxes = conv_transpose3d_boxes(simt_queue(), g, kAlgorithm);
  set_fresh_memory(FreshMemory::nan);
  Tensor dx = Tensor::volume(shape, DType::bf16, device);
  Tensor sums({batch_norm_boxes(g.x, boxes)}, DType::f64, device);
  Tensor scratch({conv_transpose3d_scratch(simt_queue(), g, kAlgorithm)}, DType::f32, device);
  dispatch(device, DType::bf16, [&]<class T>(auto& q, TypeTag<T>) {
    BatchNormGradSums<T> gradient;
    if (wanted) {
      gradient = {.groups = layer.groups(g),
                  .x = x.values<T>(),
                  .mean = mean.values<Acc<T>>(),
                  .variance = variance.values<Acc<T>>(),
                  .gamma = gamma.values<Acc<T>>(),
                  .beta = beta.values<Acc<T>>(),
                  .eps = kEps,
                  .activation = layer.activation(),
                  .sums = sums.mutable_values<double>()};
    }
    conv_transpose3d_forward(q, ConvTranspose3dArgs<T>{.geometry = g,
                                                       .algorithm = kAlgorithm,
                                                       .x = dy.values<T>(),
                                                       .weight = weight.values<Acc<T>>(),
                                                       .bias = {},
                                                       .y = dx.mutable_values<T>(),
                                                       .gradient = gradient,
                                                       .scratch = scratch.mutable_values<Acc<T>>()});
  });
  set_fresh_memory(FreshMemory::as_found);
  CHECK(nonzero_padding(dx) == "");
  return {.dx = dx.to_doubles(), .sums = wanted ? sums.to_doubles() : Values(), .boxes = boxes};
}

/// Of one group against the formula. A sum is rounded at most 43 times, 8 rows, 3 steps over lanes and 32 slices, and a
/// product and its distance once each; what leaks once more.
std::int64_t check_group(const Conv3dGeometry& g, const Values& x, const Layer& layer, const Spread& got,
                         std::int64_t group, double& nearest) {
  constexpr double kRoundoff = 0x1p-24;
  const std::int64_t groups = layer.groups(g);
  const std::int64_t cases = g.x.n / groups;
  const std::int64_t boxes = got.boxes / groups;
  const Norm n = norm_of(groups, g.x.c);
  const Activation a = layer.activation();
  const double scale = 1 / (1 - a.p);
  std::int64_t passing = 0;
  for (std::int64_t c = 0; c < g.x.blocks() * kBlock8; ++c) {
    INFO("group " << group << ", channel " << c);
    double sums[2] = {0, 0};
    for (std::int64_t box = group * boxes; box < (group + 1) * boxes; ++box) {
      for (std::int64_t k = 0; k < 2; ++k) {
        sums[k] +=
            got.sums[static_cast<std::size_t>(((c / kBlock8 * 2 + k) * kBlock8 + c % kBlock8) * got.boxes + box)];
      }
    }
    if (c >= g.x.c) {
      CHECK(sums[0] == 0);
      CHECK(sums[1] == 0);
      continue;
    }
    const auto at = static_cast<std::size_t>(c);
    const auto at_group = static_cast<std::size_t>(group * g.x.c + c);
    double want[2] = {0, 0};
    double size[2] = {0, 0};
    for (std::int64_t i = group * cases * g.x.voxels(); i < (group + 1) * cases * g.x.voxels(); ++i) {
      const std::int64_t plain = (i / g.x.voxels() * g.x.c + c) * g.x.voxels() + i % g.x.voxels();
      const double centred = x[static_cast<std::size_t>(plain)] - n.mean[at_group];
      const double normalised = n.gamma[at] * centred / std::sqrt(n.variance[at_group] + kEps) + n.beta[at];
      nearest = std::min(nearest, std::abs(normalised));
      double share = normalised > 0 ? 1 : a.negative_slope;
      if (layer.drops) {
        const auto e = static_cast<std::uint64_t>(g.x.at(i / g.x.voxels(), c, i % g.x.voxels()));
        share = random4(a.key, e / 4).v[e % 4] > largest_dropped_number(a.p) ? share : 0;
      }
      if (share == 0) { continue; }
      ++passing;
      const double dn = share * scale * got.dx[static_cast<std::size_t>(plain)];
      const double terms[2] = {dn, dn * centred};
      for (int k = 0; k < 2; ++k) {
        want[k] += terms[k];
        size[k] += std::abs(terms[k]);
      }
    }
    CHECK(std::abs(sums[0] - want[0]) <= 45 * kRoundoff * size[0]);
    CHECK(std::abs(sums[1] - want[1]) <= 47 * kRoundoff * size[1]);
  }
  return passing;
}

void check_sums(const Conv3dGeometry& g, const Values& x, const Layer& layer, const Spread& got) {
  double nearest = 1;
  std::int64_t passing = 0;
  for (std::int64_t group = 0; group < layer.groups(g); ++group) {
    passing += check_group(g, x, layer, got, group, nearest);
  }
  CHECK(nearest > 1e-5);  // f32 sees the same side
  CHECK(passing > 0);
  CHECK((passing < g.x.count() || (layer.instance && !layer.drops)));
}

}  // namespace

TEST_CASE("the sums that a gradient by tensor cores takes in passing are those of what it writes",
          "[conv3d][batch_norm][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const Conv3dGeometry& g : geometries()) {
    const Values x = make_values(g.x.n * g.x.c * g.x.voxels(), 2);
    const bool many = g.x.n >= 90;  // tiles to execute
    REQUIRE(conv_transpose3d_boxes(simt_queue(), g, kAlgorithm) > 0);
    const Values plain = many ? Values() : spread_of(g, x, {}, false, device).dx;
    for (const Layer& layer :
         {Layer{}, Layer{.drops = true}, Layer{.instance = true}, Layer{.drops = true, .instance = true}}) {
      if (layer.instance ? g.x.n == 1 || many || layer.drops != (g.x.d == 1) : g.x.c % 16 != 0 && !layer.drops) {
        continue;  // as many as find something
      }
      INFO(fmt::format("{}x{}x{}x{}x{} from {}, dropout {}, instance norm {}", g.x.n, g.x.c, g.x.d, g.x.h, g.x.w, g.y.c,
                       layer.drops, layer.instance));
      const Spread got = spread_of(g, x, layer, true, device);
      check_sums(g, x, layer, got);
      CHECK((many || got.dx == plain));
    }
  }
}

TEST_CASE("sums of a gradient on the simt device have the same bits in any order of blocks and threads",
          "[conv3d][batch_norm][simt][determinism]") {
  const simt::Options before = simt::options();
  const Conv3dGeometry g = GENERATE(conv(2, 19, {3, 9, 18}, 9), conv(2, 20, {3, 5, 9}, 33));  // the latter in shares
  const auto sums = [&](simt::Order order) {
    simt::options().order = order;
    return spread_of(g, make_values(g.x.n * g.x.c * g.x.voxels(), 2), {.drops = true}, true, Device::simt).sums;
  };
  const Values forward = sums(simt::Order::forward);
  CHECK(sums(simt::Order::reverse) == forward);
  CHECK(sums(simt::Order::random) == forward);
  simt::options() = before;
}

TEST_CASE("a GPU takes a gradient's sums in passing by tensor cores", "[conv3d][choose]") {
  const DeviceQueue q;
  const auto boxes = [&](const Conv3dGeometry& g) { return conv_transpose3d_boxes(q, g, kAlgorithm); };
  CHECK(boxes(conv(1, 16, {128, 128, 128}, 16)) == 384);
  CHECK(boxes(conv(16, 256, {8, 8, 8}, 256)) == 64);
  CHECK(boxes(conv(1, 128, {16, 16, 16}, 128)) ==
        64);                                           // its channels are split, their sums added by boxes of 64 voxels
  CHECK(boxes(conv(1, 16, {128, 128, 128}, 8)) == 0);  // one block of input channels
  Conv3dGeometry split = conv(1, 32, {64, 64, 64}, 16);
  split.split = 16;
  CHECK(boxes(split) == 0);
  CHECK(conv_transpose3d_boxes(q, conv(1, 16, {8, 8, 8}, 16), Conv3dAlgorithm::tiled) == 0);
  CHECK(conv_transpose3d_boxes(CpuQueue{}, conv(1, 16, {8, 8, 8}, 16), Conv3dAlgorithm::tiled) == 0);
}

namespace {

/// Gradients of a layer whose result another one reads, and the launches of the backward pass.
struct Chain {
  std::vector<Values> gradients;
  std::int64_t launches = 0;
};
enum class Between : std::uint8_t { nothing, scale, another_use };

Chain chain(Between between, Device device, DType dtype) {
  const Shape shape{2, 16, 3, 5, 6};
  set_keep_all(true);  // or the second layer makes the first one's result again
  const auto vector = [&](double first, double step) {
    Values v(16);
    for (std::size_t c = 0; c < v.size(); ++c) { v[c] = first + step * static_cast<double>(c); }
    return to_tensor(v, {16}, Kind::parameter, dtype).to(device);
  };
  const auto weight = [&](unsigned seed) {
    return to_tensor(make_values(16 * 16 * 27, seed), {16, 16, 3, 3, 3}, Kind::parameter, dtype)
        .to(device)
        .requires_grad();
  };
  const Tensor x = to_tensor(make_values(shape.count(), 4), shape, Kind::volume, dtype).to(device).requires_grad();
  const Tensor weights[2] = {weight(5), weight(6)};
  const Tensor gamma = vector(0.75, 0.0625).requires_grad();
  const Tensor beta = vector(-0.25, 0.03125).requires_grad();
  const DropoutOptions dropped{.p = 0.25, .key = {.seed = 5, .step = 2, .place = 1}};
  const Tensor first = conv3d_batch_norm_relu(x, {}, weights[0], gamma, beta, vector(0, 0), vector(1, 0), {}, dropped);
  const Tensor scaled = between == Between::nothing ? Tensor() : scale(first, 1);
  const Tensor& read = between == Between::scale ? scaled : first;
  Tensor last = conv3d_batch_norm_relu(read, {}, weights[1], vector(1, 0), vector(0, 0), vector(0, 0), vector(1, 0));
  if (between == Between::another_use) { last = add(last, scaled); }  // whose gradient comes later
  const std::int64_t before = simt_device::work().launches;
  backward(last, to_tensor_like(make_values(shape.count(), 9), last));
  Chain c;
  c.launches = simt_device::work().launches - before;
  set_keep_all(false);
  for (const Tensor& t : {gamma, beta, weights[0], x}) { c.gradients.push_back(t.grad().to_doubles()); }
  return c;
}

}  // namespace

TEST_CASE("a layer's gradient sums are taken by the convolution that alone gives it a gradient",
          "[batch_norm][tape][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const Chain taken = chain(Between::nothing, device, DType::bf16);
  const Chain read = chain(Between::scale, device, DType::bf16);  // scale gives the same gradient, without sums
  // Only the simt device counts launches, and not those whose PTX is interpreted.
  if (read.launches > 0) { CHECK(taken.launches == read.launches - 2); }
  CHECK(relative_error(taken.gradients[0], read.gradients[0]) < 1e-5);
  CHECK(relative_error(taken.gradients[1], read.gradients[1]) < 1e-5);
  CHECK(relative_error(taken.gradients[2], read.gradients[2]) < 0x1p-8);
  CHECK(relative_error(taken.gradients[3], read.gradients[3]) < 0x1p-8);
}

TEST_CASE("a layer whose result another operator reads as well takes its gradient's sums of the whole gradient",
          "[batch_norm][tape][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const Chain got = chain(Between::another_use, device, DType::bf16);
  const Chain wants = chain(Between::another_use, Device::cpu, DType::f64);
  const Chain alone = chain(Between::nothing, Device::cpu, DType::f64);
  for (std::size_t i = 0; i < wants.gradients.size(); ++i) {
    INFO("gradient " << i);
    CHECK(relative_error(got.gradients[i], wants.gradients[i]) < 0.03);  // a rounding of 2^-9 where relu decides
    CHECK(relative_error(alone.gradients[i], wants.gradients[i]) > 0.1);
  }
}

}  // namespace vox::test
