#include <algorithm>
#include <array>
#include <cmath>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

using Voxel = std::array<std::int64_t, 3>;  ///< D, H, W

struct Sizes {
  Shape a;                      ///< [N,Ca,D,H,W]
  std::int64_t b_channels = 0;  ///< 0: no b
  std::int64_t out_channels = 1;
  std::int64_t kernel = 3;
  BatchNormOptions norm = {};
  DropoutOptions dropout = {.p = 0};
  bool gradients = true;  ///< central differences call the reference per element

  [[nodiscard]] std::int64_t channels() const { return a[1] + b_channels; }
};

double joined(const Sizes& s, const std::vector<Values>& in, std::int64_t n, std::int64_t i, const Voxel& p) {
  if (p[0] < 0 || p[1] < 0 || p[2] < 0 || p[0] >= s.a[2] || p[1] >= s.a[3] || p[2] >= s.a[4]) { return 0; }
  const bool in_a = i < s.a[1];
  const std::int64_t row = in_a ? n * s.a[1] + i : n * s.b_channels + i - s.a[1];
  return in[in_a ? 0 : 1][static_cast<std::size_t>(((row * s.a[2] + p[0]) * s.a[3] + p[1]) * s.a[4] + p[2])];
}

/// conv3d of [a, b] at one voxel of one output channel, padded by half the kernel.
double convolved(const Sizes& s, const std::vector<Values>& in, std::int64_t n, std::int64_t o, std::int64_t v) {
  const std::int64_t taps = s.kernel * s.kernel * s.kernel;
  double sum = 0;
  for (std::int64_t i = 0; i < s.channels(); ++i) {
    for (std::int64_t k = 0; k < taps; ++k) {
      const Voxel from{v / s.a[4] / s.a[3] - s.kernel / 2 + k / s.kernel / s.kernel,
                       v / s.a[4] % s.a[3] - s.kernel / 2 + k / s.kernel % s.kernel,
                       v % s.a[4] - s.kernel / 2 + k % s.kernel};
      sum += joined(s, in, n, i, from) * in[2][static_cast<std::size_t>((o * s.channels() + i) * taps + k)];
    }
  }
  return sum;
}

/// The four formulas one after the other: convolution, batch norm, relu, dropout.
Values reference(const Sizes& s, const std::vector<Values>& in) {
  const VolumeShape y{s.a[0], s.out_channels, s.a[2], s.a[3], s.a[4]};
  Values out(static_cast<std::size_t>(y.count()));
  for (std::int64_t o = 0; o < y.c; ++o) {
    const auto channel = static_cast<std::size_t>(o);
    const auto each = [&](const auto& body) {
      for (std::int64_t i = 0; i < y.n * y.voxels(); ++i) {
        const std::int64_t n = i / y.voxels();
        const std::int64_t v = i % y.voxels();
        body(out[static_cast<std::size_t>((n * y.c + o) * y.voxels() + v)], n, v);
      }
    };
    each([&](double& x, std::int64_t n, std::int64_t v) { x = convolved(s, in, n, o, v); });
    const auto count = static_cast<double>(y.n * y.voxels());
    double mean = 0;
    double var = 0;
    each([&](double x, std::int64_t, std::int64_t) { mean += x / count; });
    each([&](double x, std::int64_t, std::int64_t) { var += (x - mean) * (x - mean) / count; });
    if (s.norm.mode == BatchNormMode::inference) {
      mean = in[5][channel];
      var = in[6][channel];
    }
    each([&](double& x, std::int64_t n, std::int64_t v) {
      x = std::max(in[3][channel] * (x - mean) / std::sqrt(var + s.norm.eps) + in[4][channel], 0.0);
      if (s.dropout.p == 0) { return; }
      const auto e = static_cast<std::uint64_t>(y.at(n, o, v));
      x *= unit(random4(s.dropout.key, e / 4).v[e % 4]) < s.dropout.p ? 0 : 1 / (1 - s.dropout.p);
    });
  }
  return out;
}

Values make_variances(std::int64_t count, unsigned seed) {
  Values v = make_values(count, seed);
  for (double& x : v) { x = 256 + 16 * std::abs(x); }
  return v;
}

OpCase with(const Sizes& s) {
  const Shape c{s.out_channels};
  const std::int64_t k = s.kernel;
  const bool training = s.norm.mode == BatchNormMode::training;
  const std::int64_t values = s.a[0] * s.a.voxels();
  const Shape b{s.a[0], std::max<std::int64_t>(s.b_channels, 1), s.a[2], s.a[3], s.a[4]};
  const auto input = [&](const Shape& shape, Kind kind) {
    return Input{.shape = shape, .kind = kind, .differentiable = s.gradients};
  };
  OpCase of{.op = Op::conv3d_batch_norm_relu,
            .label = "conv3d_batch_norm_relu " + s.a.str() + " and " + std::to_string(s.b_channels) + " channels to " +
                     std::to_string(s.out_channels) + ", kernel " + std::to_string(k) +
                     (training ? ", training" : ", inference") + (s.dropout.p > 0 ? ", dropout" : ""),
            .inputs = {input(s.a, Kind::volume), input(b, Kind::volume),
                       input({s.out_channels, s.channels(), k, k, k}, Kind::parameter), input(c, Kind::parameter),
                       input(c, Kind::parameter), input(c, Kind::parameter), input(c, Kind::parameter)},
            .apply =
                [s](const auto& in) {
                  return conv3d_batch_norm_relu(in[0], s.b_channels > 0 ? in[1] : Tensor(), in[2], in[3], in[4], in[5],
                                                in[6], s.norm, s.dropout);
                },
            .reference = [s](const auto& in) { return reference(s, in); },
            .terms = std::max(s.channels() * k * k * k, values),
            .grad_terms = 8 * std::max(s.out_channels * k * k * k, values),
            .conditioning = 16};
  of.inputs[1].differentiable = s.gradients && s.b_channels > 0;
  of.inputs[3].make = make_norm_scales;
  of.inputs[4].make = make_norm_offsets;
  of.inputs[5].differentiable = false;
  of.inputs[6].differentiable = false;
  of.inputs[6].make = make_variances;
  return of;
}

Tensor volume(const Shape& s) { return Tensor::zeros(s, DType::f32, Device::cpu, Layout::blocked); }
Tensor plain(const Shape& s) { return Tensor::zeros(s, DType::f32); }
void call(const Shape& b, const Shape& weight, const Shape& gamma, double p) {
  const Tensor c = plain({weight[0]});
  static_cast<void>(conv3d_batch_norm_relu(volume({1, 8, 2, 2, 2}), volume(b), plain(weight), plain(gamma), c, c, c, {},
                                           {.p = p, .key = {}}));
}

const BatchNormOptions kInference{.mode = BatchNormMode::inference};
const DropoutOptions kDropout{.p = 0.3, .key = {.seed = 9, .step = 2, .place = 5}};

const Register kCases(
    {
        with({.a = {1, 3, 2, 3, 4}, .out_channels = 2}),
        with({.a = {2, 8, 2, 3, 3}, .b_channels = 3, .out_channels = 3, .dropout = kDropout}),
        with({.a = {2, 3, 2, 3, 3}, .b_channels = 2, .out_channels = 2}),  // a's last block is ragged: a copy is made
        with({.a = {2, 9, 3, 2, 3}, .out_channels = 2, .kernel = 1, .dropout = kDropout}),
        with({.a = {1, 2, 3, 2, 4}, .out_channels = 3, .norm = kInference}),
        with({.a = {2, 16, 5, 7, 33}, .b_channels = 16, .out_channels = 16, .dropout = kDropout, .gradients = false}),
        with({.a = {1, 24, 4, 5, 9}, .b_channels = 21, .out_channels = 35, .gradients = false}),
        with({.a = {2, 9, 5, 7, 33}, .out_channels = 19, .gradients = false}),  // a GPU takes statistics in passing
        with({.a = {2, 7, 3, 9, 11}, .out_channels = 10, .norm = kInference, .gradients = false}),
        with({.a = {2, 8, 5, 6, 9}, .b_channels = 5, .out_channels = 12, .norm = kInference, .gradients = false}),
        with({.a = {1, 5, 3, 3, 3}, .out_channels = 33, .norm = kInference, .gradients = false}),
        with({.a = {1, 3, 3, 3, 3}, .out_channels = 4, .norm = kInference, .dropout = kDropout, .gradients = false}),
    },
    {{"extents differ",
      [] {
        call({1, 8, 2, 2, 3}, {2, 16, 3, 3, 3}, {2}, 0);
      },
      "conv3d_batch_norm_relu: b is 1x8x2x2x3 f32 on cpu, wants that of a, 1x8x2x2x2 f32 on cpu, in all but C"},
     {"a weight of a's channels alone",
      [] {
        call({1, 3, 2, 2, 2}, {2, 8, 3, 3, 3}, {2}, 0);
      },
      "conv3d_batch_norm_relu: weight is 2x8x3x3x3, wants [O,11,K,K,K] with K odd"},
     {"gamma of another length",
      [] {
        call({1, 8, 2, 2, 2}, {2, 16, 3, 3, 3}, {3}, 0);
      },
      "conv3d_batch_norm_relu: gamma is 3 f32 plain on cpu, wants 2 f32 plain on cpu"},
     {"p is 1",
      [] {
        call({1, 8, 2, 2, 2}, {2, 16, 3, 3, 3}, {2}, 1);
      },
      "conv3d_batch_norm_relu: p is 1, wants [0,1)"}});

}  // namespace
}  // namespace vox::test
