#include <algorithm>
#include <array>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

using Voxel = std::array<std::int64_t, 3>;  ///< D, H, W

struct Sizes {
  Shape a;  ///< [N,Ca,D,H,W]
  std::int64_t b_channels;
  std::int64_t out_channels;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  bool bias = true;

  [[nodiscard]] std::int64_t channels() const { return a[1] + b_channels; }
  [[nodiscard]] std::int64_t out(std::size_t axis) const {
    return (a[axis] + kernel / 2 * 2 - kernel) / stride + 1;  // padded by half the kernel
  }
};

enum class Checked : std::uint8_t { everything, forward };  ///< central differences call the reference per element

/// The value of [a, b] at channel i, zero outside the extents.
double joined(const Sizes& s, const std::vector<Values>& in, std::int64_t n, std::int64_t i, const Voxel& p) {
  if (p[0] < 0 || p[1] < 0 || p[2] < 0 || p[0] >= s.a[2] || p[1] >= s.a[3] || p[2] >= s.a[4]) { return 0; }
  const bool in_a = i < s.a[1];
  const std::int64_t row = in_a ? n * s.a[1] + i : n * s.b_channels + i - s.a[1];
  return in[in_a ? 0 : 1][static_cast<std::size_t>(((row * s.a[2] + p[0]) * s.a[3] + p[1]) * s.a[4] + p[2])];
}

/// The sum over the window of one output voxel p of one output channel.
double at(const Sizes& s, const std::vector<Values>& in, std::int64_t n, std::int64_t o, const Voxel& p) {
  const std::int64_t taps = s.kernel * s.kernel * s.kernel;
  double sum = s.bias ? in[3][static_cast<std::size_t>(o)] : 0;
  for (std::int64_t i = 0; i < s.channels(); ++i) {
    for (std::int64_t k = 0; k < taps; ++k) {
      const Voxel tap{k / s.kernel / s.kernel, k / s.kernel % s.kernel, k % s.kernel};
      Voxel from = p;
      for (std::size_t axis = 0; axis < 3; ++axis) { from[axis] = p[axis] * s.stride - s.kernel / 2 + tap[axis]; }
      sum += joined(s, in, n, i, from) * in[2][static_cast<std::size_t>((o * s.channels() + i) * taps + k)];
    }
  }
  return sum;
}

Values reference(const Sizes& s, const std::vector<Values>& in) {
  Values y;
  for (std::int64_t n = 0; n < s.a[0]; ++n) {
    for (std::int64_t o = 0; o < s.out_channels; ++o) {
      for (std::int64_t v = 0; v < s.out(2) * s.out(3) * s.out(4); ++v) {
        y.push_back(at(s, in, n, o, {v / s.out(4) / s.out(3), v / s.out(4) % s.out(3), v % s.out(4)}));
      }
    }
  }
  return y;
}

OpCase with(const Sizes& s, Checked checked = Checked::everything) {
  const bool all = checked == Checked::everything;
  const std::int64_t k = s.kernel;
  const Shape b{s.a[0], s.b_channels, s.a[2], s.a[3], s.a[4]};
  OpCase c{
      .op = Op::conv3d_concat,
      .label = "conv3d_concat " + s.a.str() + " and " + std::to_string(s.b_channels) + " channels to " +
               std::to_string(s.out_channels) + ", kernel " + std::to_string(k) + ", stride " +
               std::to_string(s.stride),
      .inputs = {{.shape = s.a, .differentiable = all},
                 {.shape = b, .differentiable = all},
                 {.shape = {s.out_channels, s.channels(), k, k, k}, .kind = Kind::parameter, .differentiable = all}},
      .apply =
          [s](const auto& in) {
            return conv3d_concat(in[0], in[1], in[2], s.bias ? in[3] : Tensor(), {.stride = s.stride});
          },
      .reference = [s](const auto& in) { return reference(s, in); },
      .terms = s.channels() * k * k * k,
      .grad_terms = std::max(s.out_channels * k * k * k, s.a[0] * s.a.voxels())};
  if (s.bias) { c.inputs.push_back({.shape = {s.out_channels}, .kind = Kind::parameter, .differentiable = all}); }
  return c;
}

Tensor volume(const Shape& s) { return Tensor::zeros(s, DType::f32, Device::cpu, Layout::blocked); }
Tensor plain(const Shape& s) { return Tensor::zeros(s, DType::f32); }
void extents_differ() {
  static_cast<void>(conv3d_concat(volume({1, 8, 2, 2, 2}), volume({1, 8, 2, 2, 3}), plain({2, 16, 3, 3, 3}), {}));
}
void one_input_short() {
  static_cast<void>(conv3d_concat(volume({1, 8, 2, 2, 2}), volume({1, 3, 2, 2, 2}), plain({2, 8, 3, 3, 3}), {}));
}

const Register kCases(
    {
        with({.a = {1, 8, 1, 1, 1}, .b_channels = 1, .out_channels = 1}),
        with({.a = {2, 8, 2, 3, 3}, .b_channels = 3, .out_channels = 2}),
        with({.a = {1, 16, 2, 1, 3}, .b_channels = 8, .out_channels = 3, .bias = false}),
        with({.a = {2, 8, 3, 2, 3}, .b_channels = 9, .out_channels = 2, .kernel = 1}),
        with({.a = {1, 8, 3, 4, 5}, .b_channels = 2, .out_channels = 3, .stride = 2}),
        with({.a = {2, 3, 2, 3, 2}, .b_channels = 6, .out_channels = 2}),  // a's last block is ragged: a copy is made
        with({.a = {2, 16, 5, 7, 33}, .b_channels = 16, .out_channels = 16}, Checked::forward),
        with({.a = {1, 24, 4, 5, 9}, .b_channels = 21, .out_channels = 32}, Checked::forward),
    },
    {{"extents differ", extents_differ,
      "conv3d_concat: b is 1x8x2x2x3 f32 on cpu, wants that of a, 1x8x2x2x2 f32 on cpu, in all but C"},
     {"a weight of a's channels alone", one_input_short,
      "conv3d_concat: weight is 2x8x3x3x3, wants [O,11,K,K,K] with K odd"}});

}  // namespace
}  // namespace vox::test
