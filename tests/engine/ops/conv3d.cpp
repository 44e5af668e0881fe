#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

struct Sizes {
  Shape x;  ///< [N,I,D,H,W]
  std::int64_t out_channels;
  std::int64_t kernel;
  std::int64_t stride = 1;
  std::int64_t padding = -1;
  bool bias = true;
};

enum class Checked : std::uint8_t { everything, forward };  ///< central differences call the reference per element

std::int64_t padding_of(const Sizes& s) { return s.padding < 0 ? s.kernel / 2 : s.padding; }
std::int64_t out_extent(const Sizes& s, std::size_t axis) {
  return (s.x[axis] + 2 * padding_of(s) - s.kernel) / s.stride + 1;
}

/// The sum over the window of one output voxel p (D,H,W) of one output channel.
double at(const Sizes& s, const Values& x, const Values& weight, std::int64_t n, std::int64_t o, const Shape& p) {
  double sum = 0;
  for (std::int64_t i = 0; i < s.x[1]; ++i) {
    for (std::int64_t kd = 0; kd < s.kernel; ++kd) {
      for (std::int64_t kh = 0; kh < s.kernel; ++kh) {
        for (std::int64_t kw = 0; kw < s.kernel; ++kw) {
          const std::int64_t d = p[0] * s.stride - padding_of(s) + kd;
          const std::int64_t h = p[1] * s.stride - padding_of(s) + kh;
          const std::int64_t w = p[2] * s.stride - padding_of(s) + kw;
          if (d < 0 || h < 0 || w < 0 || d >= s.x[2] || h >= s.x[3] || w >= s.x[4]) { continue; }
          const std::int64_t k = ((o * s.x[1] + i) * s.kernel + kd) * s.kernel * s.kernel + kh * s.kernel + kw;
          sum += x[static_cast<std::size_t>((((n * s.x[1] + i) * s.x[2] + d) * s.x[3] + h) * s.x[4] + w)] *
                 weight[static_cast<std::size_t>(k)];
        }
      }
    }
  }
  return sum;
}

Values reference(const Sizes& s, const std::vector<Values>& in) {
  Values y;
  for (std::int64_t n = 0; n < s.x[0]; ++n) {
    for (std::int64_t o = 0; o < s.out_channels; ++o) {
      for (std::int64_t d = 0; d < out_extent(s, 2); ++d) {
        for (std::int64_t h = 0; h < out_extent(s, 3); ++h) {
          for (std::int64_t w = 0; w < out_extent(s, 4); ++w) {
            const double bias = s.bias ? in[2][static_cast<std::size_t>(o)] : 0;
            y.push_back(at(s, in[0], in[1], n, o, {d, h, w}) + bias);
          }
        }
      }
    }
  }
  return y;
}

OpCase with(const Sizes& s, Checked checked = Checked::everything) {
  const bool all = checked == Checked::everything;
  const std::int64_t k = s.kernel;
  OpCase c{.op = Op::conv3d,
           .label = "conv3d " + s.x.str() + " to " + std::to_string(s.out_channels) + ", kernel " + std::to_string(k) +
                    ", stride " + std::to_string(s.stride) + ", padding " + std::to_string(padding_of(s)),
           .inputs = {{.shape = s.x, .differentiable = all},
                      {.shape = {s.out_channels, s.x[1], k, k, k}, .kind = Kind::parameter, .differentiable = all}},
           .apply =
               [s](const auto& in) {
                 return conv3d(in[0], in[1], s.bias ? in[2] : Tensor(), {.stride = s.stride, .padding = s.padding});
               },
           .reference = [s](const auto& in) { return reference(s, in); },
           .terms = s.x[1] * k * k * k,
           .grad_terms = std::max({s.out_channels * k * k * k, s.x[0] * s.x.voxels(), std::int64_t{1}})};
  if (s.bias) { c.inputs.push_back({.shape = {s.out_channels}, .kind = Kind::parameter, .differentiable = all}); }
  return c;
}

Tensor volume(const Shape& s, DType dtype = DType::f32) {
  return Tensor::zeros(s, dtype, Device::cpu, Layout::blocked);
}
Tensor plain(const Shape& s, DType dtype = DType::f32) { return Tensor::zeros(s, dtype, Device::cpu, Layout::plain); }

Refusal refused(const std::string& label, const Tensor& x, const Tensor& weight, const Tensor& bias,
                const Conv3dOptions& options, const std::string& message) {
  return {label, [=] { static_cast<void>(conv3d(x, weight, bias, options)); }, message};
}

const Register kCases(
    {
        with({.x = {1, 1, 1, 1, 1}, .out_channels = 1, .kernel = 3}),
        with({.x = {1, 1, 1, 1, 1}, .out_channels = 1, .kernel = 1, .bias = false}),
        with({.x = {2, 3, 2, 3, 4}, .out_channels = 2, .kernel = 3}),
        with({.x = {1, 5, 2, 1, 3}, .out_channels = 12, .kernel = 1}),
        with({.x = {1, 2, 3, 2, 5}, .out_channels = 3, .kernel = 5, .bias = false}),
        with({.x = {1, 1, 2, 2, 2}, .out_channels = 1, .kernel = 7}),  // larger than the volume
        with({.x = {1, 9, 3, 1, 2}, .out_channels = 2, .kernel = 3, .bias = false}),
        with({.x = {2, 2, 3, 4, 5}, .out_channels = 9, .kernel = 3, .stride = 2}),
        with({.x = {1, 3, 4, 3, 2}, .out_channels = 2, .kernel = 1, .stride = 2}),
        with({.x = {1, 2, 4, 5, 3}, .out_channels = 3, .kernel = 3, .padding = 0}),
        with({.x = {1, 2, 2, 2, 3}, .out_channels = 2, .kernel = 3, .stride = 2, .padding = 3}),
        with({.x = {1, 12, 3, 5, 67}, .out_channels = 33, .kernel = 3}, Checked::forward),  // longer than any tile
        with({.x = {2, 33, 4, 4, 4}, .out_channels = 24, .kernel = 3}, Checked::forward),
        with({.x = {1, 16, 5, 9, 8}, .out_channels = 32, .kernel = 3, .bias = false}, Checked::forward),
        with({.x = {1, 20, 5, 7, 31}, .out_channels = 5, .kernel = 3, .stride = 2}, Checked::forward),
    },
    {
        refused("even kernel", volume({1, 3, 4, 4, 4}), plain({2, 3, 2, 2, 2}), {}, {},
                "conv3d: weight is 2x3x2x2x2, wants [O,3,K,K,K] with K odd"),
        refused("kernel is no cube", volume({1, 3, 4, 4, 4}), plain({2, 3, 3, 3, 1}), {}, {},
                "conv3d: weight is 2x3x3x3x1, wants [O,3,K,K,K] with K odd"),
        refused("no output channel", volume({1, 3, 4, 4, 4}), plain({0, 3, 3, 3, 3}), {}, {},
                "conv3d: weight is 0x3x3x3x3, wants [O,3,K,K,K]"),
        refused("wrong channels", volume({1, 3, 4, 4, 4}), plain({2, 4, 3, 3, 3}), {}, {},
                "conv3d: weight is 2x4x3x3x3, wants [O,3,K,K,K]"),
        refused("wrong bias", volume({1, 3, 4, 4, 4}), plain({2, 3, 3, 3, 3}), plain({3}), {},
                "conv3d: bias is 3 f32 plain on cpu, wants 2 f32 plain on cpu"),
        refused("f64 weight of an f32 volume", volume({1, 3, 4, 4, 4}), plain({2, 3, 3, 3, 3}, DType::f64), {}, {},
                "conv3d: weight is 2x3x3x3x3 f64 plain on cpu, wants 2x3x3x3x3 f32 plain on cpu"),
        refused("bf16 weight of a bf16 volume", volume({1, 3, 4, 4, 4}, DType::bf16),
                plain({2, 3, 3, 3, 3}, DType::bf16), {}, {}, "wants 2x3x3x3x3 f32 plain on cpu"),
        refused("plain x", plain({1, 3, 4, 4, 4}), plain({2, 3, 3, 3, 3}), {}, {}, "wants a blocked volume"),
        refused("stride 3", volume({1, 3, 4, 4, 4}), plain({2, 3, 3, 3, 3}), {}, {.stride = 3},
                "conv3d: stride is 3, wants 1 or 2"),
        refused("padding -2", volume({1, 3, 4, 4, 4}), plain({2, 3, 3, 3, 3}), {}, {.padding = -2},
                "conv3d: padding is -2, wants 0 or more"),
        refused("no window fits", volume({1, 3, 4, 2, 4}), plain({2, 3, 3, 3, 3}), {}, {.padding = 0},
                "conv3d: x is 1x3x4x2x4, and a kernel of 3 with padding 0 fits nowhere"),
        refused("no window of stride 2 fits", volume({1, 3, 4, 2, 4}), plain({2, 3, 3, 3, 3}), {},
                {.stride = 2, .padding = 0}, "fits nowhere"),
    });

}  // namespace
}  // namespace vox::test
