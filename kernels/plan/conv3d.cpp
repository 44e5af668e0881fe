#include "kernels/conv3d.h"

#include <array>

#include "kernels/conv_transpose3d.h"
#include "kernels/plan/amx.h"
#include "kernels/plan/gemm.h"
#include "kernels/plan/one_case.h"
#include "kernels/plan/tiled.h"
#include "kernels/plan/winograd.h"
#include "kernels/plan/winograd_grad.h"

namespace vox {
namespace {

/// Rounds down: no window fits when the padded extent is smaller than the kernel, and that must not become one window.
std::int64_t windows(std::int64_t in, const Conv3dGeometry& g) {
  const std::int64_t room = in + 2 * g.padding - g.kernel;
  return room < 0 ? 0 : room / g.stride + 1;
}

std::int64_t scratch_of(const CpuQueue& q, const Conv3dGeometry& g, Conv3dAlgorithm algorithm, Conv3dPass pass) {
  if (algorithm == Conv3dAlgorithm::gemm) { return scratch_elements(gemm_plan(g, q.threads), pass, q.threads); }
  if (algorithm == Conv3dAlgorithm::winograd) { return scratch_elements(winograd_plan(g, pass, q.threads), q.threads); }
  if (algorithm == Conv3dAlgorithm::amx) { return amx_scratch(g, pass, q.threads); }
  if (algorithm == Conv3dAlgorithm::tiled) { return scratch_elements(conv3d_tiling(g, pass, q.threads), q.threads); }
  return 0;
}

}  // namespace

const char* name(Conv3dAlgorithm algorithm) {
  constexpr std::array kNames = {"amx", "tensor_core", "gemm", "winograd", "tiled", "direct"};
  static_assert(kNames.size() == static_cast<std::size_t>(Conv3dAlgorithm::count_));
  return kNames.at(static_cast<std::size_t>(algorithm));
}

Conv3dGeometry conv3d_geometry(const VolumeShape& x, std::int64_t out_channels, std::int64_t kernel,
                               std::int64_t stride, std::int64_t padding) {
  Conv3dGeometry g{.x = x, .y = {}, .kernel = kernel, .stride = stride, .padding = padding};
  g.y = {
      .n = x.n, .c = out_channels, .d = windows(x.d, g), .h = windows(x.h, g), .w = windows(x.w, g), .batch = x.batch};
  return g;
}

Conv3dGeometry conv_transpose3d_geometry(const VolumeShape& in, std::int64_t out_channels, std::int64_t kernel,
                                         std::int64_t stride, std::int64_t padding, std::int64_t output_padding) {
  const auto extent = [&](std::int64_t e) { return (e - 1) * stride - 2 * padding + kernel + output_padding; };
  return {
      .x = {.n = in.n, .c = out_channels, .d = extent(in.d), .h = extent(in.h), .w = extent(in.w), .batch = in.batch},
      .y = in,
      .kernel = kernel,
      .stride = stride,
      .padding = padding};
}

template <class T> std::int64_t conv3d_boxes(const CpuQueue& q, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  constexpr auto kPass = Conv3dPass::correlate;
  if (algorithm == Conv3dAlgorithm::winograd) { return winograd_plan(g, kPass, q.threads).layers(); }
  if (algorithm == Conv3dAlgorithm::amx && !gemm_takes(g)) { return amx_conv(g, kPass, true, q.threads).box_count(); }
  return algorithm == Conv3dAlgorithm::tiled ? conv3d_tiling(g, kPass, q.threads).blocks() : 0;
}
template std::int64_t conv3d_boxes<float>(const CpuQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
template std::int64_t conv3d_boxes<double>(const CpuQueue&, const Conv3dGeometry&, Conv3dAlgorithm);
template std::int64_t conv3d_boxes<Bf16>(const CpuQueue&, const Conv3dGeometry&, Conv3dAlgorithm);

bool conv3d_grad_weight_sums(const CpuQueue&, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  return algorithm == Conv3dAlgorithm::gemm || (algorithm == Conv3dAlgorithm::amx && gemm_takes(g));
}

std::int64_t conv3d_forward_scratch(const CpuQueue& q, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  return scratch_of(q, g, algorithm, Conv3dPass::correlate);
}
std::int64_t conv_transpose3d_scratch(const CpuQueue& q, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  return scratch_of(q, g, algorithm, Conv3dPass::spread);
}
std::int64_t conv3d_grad_weight_scratch(const CpuQueue& q, const Conv3dGeometry& g, Conv3dAlgorithm algorithm) {
  const Conv3dGeometry one = one_case(g);
  if (algorithm == Conv3dAlgorithm::winograd) {
    return scratch_elements(winograd_grad_plan(one, q.threads), q.threads);
  }
  return scratch_of(q, one, algorithm, Conv3dPass::grad_weight);
}
std::int64_t conv3d_grad_bias_scratch(const CpuQueue&, const VolumeShape& dy) {
  return dy.n * dy.blocks() * dy.d * kBlock8;
}

}  // namespace vox
