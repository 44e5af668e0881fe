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
  Conv3dInstanceNormReluOptions options = {.negative_slope = 0.25};
  DropoutOptions dropout = {.p = 0};
  bool affine = true;     ///< with bias, gamma and beta
  bool gradients = true;  ///< central differences call the reference per element

  [[nodiscard]] std::int64_t channels() const { return a[1] + b_channels; }
  [[nodiscard]] VolumeShape y() const {
    const auto out = [&](std::size_t axis) { return (a[axis] - 1) / options.stride + 1; };
    return {a[0], out_channels, out(2), out(3), out(4)};
  }
};

double joined(const Sizes& s, const std::vector<Values>& in, std::int64_t n, std::int64_t i, const Voxel& p) {
  if (p[0] < 0 || p[1] < 0 || p[2] < 0 || p[0] >= s.a[2] || p[1] >= s.a[3] || p[2] >= s.a[4]) { return 0; }
  const bool in_a = i < s.a[1];
  const std::int64_t row = in_a ? n * s.a[1] + i : n * s.b_channels + i - s.a[1];
  return in[in_a ? 0 : 1][static_cast<std::size_t>(((row * s.a[2] + p[0]) * s.a[3] + p[1]) * s.a[4] + p[2])];
}

/// conv3d of [a, b] and the bias at one voxel of one output channel.
double convolved(const Sizes& s, const std::vector<Values>& in, std::int64_t n, std::int64_t o, std::int64_t v) {
  const std::int64_t taps = s.kernel * s.kernel * s.kernel;
  const VolumeShape y = s.y();
  const Voxel first{v / y.w / y.h * s.options.stride - s.kernel / 2, v / y.w % y.h * s.options.stride - s.kernel / 2,
                    v % y.w * s.options.stride - s.kernel / 2};
  double sum = s.affine ? in[3][static_cast<std::size_t>(o)] : 0;
  for (std::int64_t i = 0; i < s.channels(); ++i) {
    for (std::int64_t k = 0; k < taps; ++k) {
      const Voxel from{first[0] + k / s.kernel / s.kernel, first[1] + k / s.kernel % s.kernel, first[2] + k % s.kernel};
      sum += joined(s, in, n, i, from) * in[2][static_cast<std::size_t>((o * s.channels() + i) * taps + k)];
    }
  }
  return sum;
}

/// The four formulas one after the other: convolution, instance norm, leaky_relu, dropout.
Values reference(const Sizes& s, const std::vector<Values>& in) {
  const VolumeShape y = s.y();
  const auto count = static_cast<double>(y.voxels());
  Values out(static_cast<std::size_t>(y.count()));
  for (std::int64_t row = 0; row < y.n * y.c; ++row) {
    const std::int64_t n = row / y.c;
    const std::int64_t o = row % y.c;
    const auto channel = static_cast<std::size_t>(o);
    double* const x = out.data() + row * y.voxels();
    double mean = 0;
    double var = 0;
    for (std::int64_t v = 0; v < y.voxels(); ++v) { x[v] = convolved(s, in, n, o, v); }
    for (std::int64_t v = 0; v < y.voxels(); ++v) { mean += x[v] / count; }
    for (std::int64_t v = 0; v < y.voxels(); ++v) { var += (x[v] - mean) * (x[v] - mean) / count; }
    for (std::int64_t v = 0; v < y.voxels(); ++v) {
      x[v] = (x[v] - mean) / std::sqrt(var + s.options.eps);
      if (s.affine) { x[v] = in[4][channel] * x[v] + in[5][channel]; }
      x[v] *= x[v] > 0 ? 1 : s.options.negative_slope;
      if (s.dropout.p == 0) { continue; }
      const auto e = static_cast<std::uint64_t>(y.at(n, o, v));
      x[v] *= unit(random4(s.dropout.key, e / 4).v[e % 4]) < s.dropout.p ? 0 : 1 / (1 - s.dropout.p);
    }
  }
  return out;
}

OpCase with(const Sizes& s) {
  const std::int64_t k = s.kernel;
  const VolumeShape y = s.y();
  const Shape b{s.a[0], std::max<std::int64_t>(s.b_channels, 1), s.a[2], s.a[3], s.a[4]};
  const Input vector{.shape = {s.out_channels}, .kind = Kind::parameter, .differentiable = s.affine && s.gradients};
  OpCase of{.op = Op::conv3d_instance_norm_relu,
            .label = "conv3d_instance_norm_relu " + s.a.str() + " and " + std::to_string(s.b_channels) +
                     " channels to " + std::to_string(s.out_channels) + ", kernel " + std::to_string(k) + ", stride " +
                     std::to_string(s.options.stride) + (s.affine ? "" : ", not affine") +
                     (s.dropout.p > 0 ? ", dropout" : ""),
            .inputs = {{.shape = s.a, .differentiable = s.gradients},
                       {.shape = b, .differentiable = s.gradients && s.b_channels > 0},
                       {.shape = {s.out_channels, s.channels(), k, k, k},
                        .kind = Kind::parameter,
                        .differentiable = s.gradients},
                       vector,
                       vector,
                       vector},
            .apply =
                [s](const auto& in) {
                  const auto of_norm = [&](std::size_t i) { return s.affine ? in[i] : Tensor(); };
                  return conv3d_instance_norm_relu(in[0], s.b_channels > 0 ? in[1] : Tensor(), in[2], of_norm(3),
                                                   of_norm(4), of_norm(5), s.options, s.dropout);
                },
            .reference = [s](const auto& in) { return reference(s, in); },
            .terms = std::max(s.channels() * k * k * k, y.voxels()),
            .grad_terms = 8 * std::max(s.out_channels * k * k * k, y.n * y.voxels()),
            .conditioning = 16};
  of.inputs[3].differentiable = false;  // exactly 0, which differences are not: a test of its own
  of.inputs[4].make = make_norm_scales;
  of.inputs[5].make = make_norm_offsets;
  return of;
}

Tensor volume(const Shape& s) { return Tensor::zeros(s, DType::f32, Device::cpu, Layout::blocked); }
Tensor plain(const Shape& s) { return Tensor::zeros(s, DType::f32); }
void call(const Shape& a, const Shape& weight, const Shape& vector, const Conv3dInstanceNormReluOptions& options = {}) {
  const Tensor c = plain({weight[0]});
  static_cast<void>(conv3d_instance_norm_relu(volume(a), {}, plain(weight), c, plain(vector), c, options));
}
void long_gamma() { call({1, 8, 2, 2, 2}, {4, 8, 3, 3, 3}, {5}); }
void steep() { call({1, 8, 2, 2, 2}, {4, 8, 3, 3, 3}, {4}, {.negative_slope = -0.5}); }
void no_eps() { call({1, 8, 2, 2, 2}, {4, 8, 3, 3, 3}, {4}, {.eps = 0}); }
void stride_3() { call({1, 8, 4, 4, 4}, {4, 8, 3, 3, 3}, {4}, {.stride = 3}); }
void one_voxel() { call({2, 8, 2, 2, 2}, {4, 8, 3, 3, 3}, {4}, {.stride = 2}); }
void long_bias() {
  static_cast<void>(conv3d_instance_norm_relu(volume({1, 8, 2, 2, 2}), {}, plain({4, 8, 3, 3, 3}), plain({5}), {}, {}));
}

const DropoutOptions kDropout{.p = 0.3, .key = {.seed = 9, .step = 2, .place = 5}};

const Register kCases(
    {with({.a = {1, 1, 1, 1, 2}, .options = {.eps = 0.5, .negative_slope = 0.25}}),
     with({.a = {2, 3, 3, 2, 4}, .out_channels = 5}),
     with({.a = {2, 8, 2, 3, 2}, .b_channels = 3, .out_channels = 12, .dropout = kDropout}),
     with({.a = {1, 3, 2, 2, 3}, .b_channels = 2, .out_channels = 4, .kernel = 1}),
     with({.a = {3, 4, 3, 4, 5}, .out_channels = 3, .options = {.eps = 1e-2, .negative_slope = 0, .stride = 2}}),
     with({.a = {2, 9, 4, 2, 6}, .out_channels = 10, .options = {.negative_slope = 0.01, .stride = 2}}),
     with({.a = {2, 2, 2, 3, 3}, .out_channels = 3, .affine = false}),
     with({.a = {2, 16, 5, 7, 17}, .b_channels = 8, .out_channels = 16, .dropout = kDropout, .gradients = false}),
     with({.a = {3, 9, 5, 7, 18}, .out_channels = 19, .gradients = false})},
    {{"gamma too long", long_gamma, "conv3d_instance_norm_relu: gamma is 5 f32 plain on cpu, wants 4 f32"},
     {"bias too long", long_bias, "conv3d_instance_norm_relu: bias is 5 f32 plain on cpu, wants 4 f32"},
     {"a slope below 0", steep, "conv3d_instance_norm_relu: negative_slope is -0.5, wants 0 or more"},
     {"eps 0", no_eps, "conv3d_instance_norm_relu: eps is 0, wants more than 0"},
     {"stride 3", stride_3, "conv3d_instance_norm_relu: stride is 3, wants 1 or 2"},
     {"one voxel", one_voxel,
      "conv3d_instance_norm_relu: wants more than one voxel per case and channel, x is 2x4x1x1x1"}});

}  // namespace
}  // namespace vox::test
