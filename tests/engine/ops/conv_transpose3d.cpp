#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

struct Sizes {
  Shape x;  ///< [N,I,D,H,W]
  std::int64_t out_channels;
  std::int64_t kernel = 2;
  std::int64_t stride = 2;
  std::int64_t padding = 0;
  std::int64_t output_padding = 0;
  bool bias = true;
};

enum class Checked : std::uint8_t { everything, forward };  ///< central differences call the reference per element

std::int64_t out_extent(const Sizes& s, std::size_t axis) {
  return (s.x[axis] - 1) * s.stride - 2 * s.padding + s.kernel + s.output_padding;
}

/// Scatters one channel of x through one kernel: y[p*stride-padding+k] += x[p] * weight[k].
void scatter(const Sizes& s, const double* x, const double* weight, double* y) {
  for (std::int64_t v = 0; v < s.x.voxels(); ++v) {
    for (std::int64_t k = 0; k < s.kernel * s.kernel * s.kernel; ++k) {
      const std::int64_t d = v / s.x[4] / s.x[3] * s.stride - s.padding + k / s.kernel / s.kernel;
      const std::int64_t h = v / s.x[4] % s.x[3] * s.stride - s.padding + k / s.kernel % s.kernel;
      const std::int64_t w = v % s.x[4] * s.stride - s.padding + k % s.kernel;
      if (d < 0 || h < 0 || w < 0 || d >= out_extent(s, 2) || h >= out_extent(s, 3) || w >= out_extent(s, 4)) {
        continue;
      }
      y[(d * out_extent(s, 3) + h) * out_extent(s, 4) + w] += x[v] * weight[k];
    }
  }
}

Values reference(const Sizes& s, const std::vector<Values>& in) {
  const std::int64_t voxels = out_extent(s, 2) * out_extent(s, 3) * out_extent(s, 4);
  const std::int64_t taps = s.kernel * s.kernel * s.kernel;
  Values y;
  for (std::int64_t n = 0; n < s.x[0]; ++n) {
    for (std::int64_t o = 0; o < s.out_channels; ++o) {
      y.resize(y.size() + static_cast<std::size_t>(voxels), s.bias ? in[2][static_cast<std::size_t>(o)] : 0);
      for (std::int64_t i = 0; i < s.x[1]; ++i) {
        scatter(s, in[0].data() + (n * s.x[1] + i) * s.x.voxels(), in[1].data() + (i * s.out_channels + o) * taps,
                y.data() + (n * s.out_channels + o) * voxels);
      }
    }
  }
  return y;
}

OpCase with(const Sizes& s, Checked checked = Checked::everything) {
  const bool all = checked == Checked::everything;
  const std::int64_t k = s.kernel;
  OpCase c{.op = Op::conv_transpose3d,
           .label = "conv_transpose3d " + s.x.str() + " to " + std::to_string(s.out_channels) + ", kernel " +
                    std::to_string(k) + ", stride " + std::to_string(s.stride) + ", padding " +
                    std::to_string(s.padding) + ", output padding " + std::to_string(s.output_padding),
           .inputs = {{.shape = s.x, .differentiable = all},
                      {.shape = {s.x[1], s.out_channels, k, k, k}, .kind = Kind::parameter, .differentiable = all}},
           .apply =
               [s](const auto& in) {
                 return conv_transpose3d(
                     in[0], in[1], s.bias ? in[2] : Tensor(),
                     {.stride = s.stride, .padding = s.padding, .output_padding = s.output_padding});
               },
           .reference = [s](const auto& in) { return reference(s, in); },
           .terms = s.x[1] * k * k * k,
           .grad_terms = std::max(s.out_channels * k * k * k, s.x[0] * s.x.voxels() * s.stride * s.stride * s.stride)};
  if (s.bias) { c.inputs.push_back({.shape = {s.out_channels}, .kind = Kind::parameter, .differentiable = all}); }
  return c;
}

Tensor volume(const Shape& s, DType dtype = DType::f32) {
  return Tensor::zeros(s, dtype, Device::cpu, Layout::blocked);
}
Tensor plain(const Shape& s, DType dtype = DType::f32) { return Tensor::zeros(s, dtype, Device::cpu, Layout::plain); }

Refusal refused(const std::string& label, const Tensor& x, const Tensor& weight, const Tensor& bias,
                const ConvTranspose3dOptions& options, const std::string& message) {
  return {label, [=] { static_cast<void>(conv_transpose3d(x, weight, bias, options)); }, message};
}

const Register kCases(
    {
        with({.x = {1, 1, 1, 1, 1}, .out_channels = 1}),
        with({.x = {2, 3, 1, 2, 3}, .out_channels = 5}),
        with({.x = {1, 9, 2, 1, 2}, .out_channels = 2, .bias = false}),
        with({.x = {1, 2, 2, 3, 2}, .out_channels = 3, .kernel = 3, .padding = 1, .output_padding = 1}),
        with({.x = {1, 2, 3, 2, 2}, .out_channels = 2, .kernel = 3, .stride = 1, .padding = 1}),
        with({.x = {1, 1, 2, 3, 2}, .out_channels = 2, .kernel = 1}),  // stride above the kernel leaves voxels bare
        with({.x = {2, 2, 1, 2, 2}, .out_channels = 1, .kernel = 4, .stride = 3, .padding = 2, .output_padding = 2}),
        with({.x = {1, 33, 3, 4, 5}, .out_channels = 12}, Checked::forward),
        with({.x = {1, 16, 2, 3, 37}, .out_channels = 40}, Checked::forward),
    },
    {
        refused("wrong channels", volume({1, 3, 2, 2, 2}), plain({4, 3, 2, 2, 2}), {}, {},
                "conv_transpose3d: weight is 4x3x2x2x2, wants [3,O,K,K,K]"),
        refused("wrong bias", volume({1, 3, 2, 2, 2}), plain({3, 4, 2, 2, 2}), plain({3}), {},
                "conv_transpose3d: bias is 3 f32 plain on cpu, wants 4 f32 plain on cpu"),
        refused("f64 weight of an f32 volume", volume({1, 3, 2, 2, 2}), plain({3, 4, 2, 2, 2}, DType::f64), {}, {},
                "conv_transpose3d: weight is 3x4x2x2x2 f64 plain on cpu, wants 3x4x2x2x2 f32 plain on cpu"),
        refused("plain x", plain({1, 3, 2, 2, 2}), plain({3, 4, 2, 2, 2}), {}, {}, "wants a blocked volume"),
        refused("stride 0", volume({1, 3, 2, 2, 2}), plain({3, 4, 2, 2, 2}), {}, {.stride = 0},
                "conv_transpose3d: stride is 0, wants 1 or more"),
        refused("padding -1", volume({1, 3, 2, 2, 2}), plain({3, 4, 2, 2, 2}), {}, {.padding = -1},
                "conv_transpose3d: padding is -1, wants 0 or more"),
        refused("output padding as large as the stride", volume({1, 3, 2, 2, 2}), plain({3, 4, 2, 2, 2}), {},
                {.output_padding = 2}, "conv_transpose3d: output_padding is 2, wants 0 to 1"),
        refused("padding eats everything", volume({1, 3, 1, 2, 2}), plain({3, 4, 2, 2, 2}), {}, {.padding = 1},
                "conv_transpose3d: x is 1x3x1x2x2, and kernel 2, stride 2, padding 1 leave nothing of it"),
    });

}  // namespace
}  // namespace vox::test
