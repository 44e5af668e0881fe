#pragma once

#include "kernels/cuda/conv3d/march.cuh"

/// A 3^3 convolution of stride 2 as one of stride 1 (conv3d_phases() of kernels/plan/gpu.h): the fine side is taken
/// apart into eight phases, voxels that are even or odd along each axis, each a volume as large as the coarse side.
/// Along an axis x[2p-1+k] is the odd phase at p-1 and at p for k = 0 and 2, and the even one at p for k = 1: two taps
/// of the odd phase, one of the even. The march has two taps per axis, -1 and 0; its adjoint 0 and 1.
namespace vox::gpu {

// Phase (d*2 + h)*2 + w is odd along an axis where its bit is set.
inline constexpr unsigned kOddD = 4;
inline constexpr unsigned kOddH = 2;
inline constexpr unsigned kOddW = 1;

/// Which k of a weight the tap t of a phase is, of an axis along which it is odd or not; -1: none.
[[nodiscard]] VOX_HD constexpr int tap_of_phase(bool odd, Conv3dPass pass, int t) {
  const bool before = pass != Conv3dPass::spread;
  if (!odd) { return t == (before ? 1 : 0) ? 1 : -1; }
  return before ? 2 * t : 2 - 2 * t;
}
/// The same of (kd*2 + kh)*2 + kw: of 27.
[[nodiscard]] VOX_HD constexpr int tap_of_phase(unsigned phase, Conv3dPass pass, int tap) {
  const int d = tap_of_phase((phase & kOddD) != 0, pass, tap / 4);
  const int h = tap_of_phase((phase & kOddH) != 0, pass, tap / 2 % 2);
  const int w = tap_of_phase((phase & kOddW) != 0, pass, tap % 2);
  return d < 0 || h < 0 || w < 0 ? -1 : (d * 3 + h) * 3 + w;
}

/// Along which axes the channels of this step, or those that the warp writes, are of an odd phase; all, where they are
/// of two.
template <class Tile> __device__ __forceinline__ unsigned odd_of_phase(const MarchArgs<Bf16>& a, int step) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int pair = Tile::kTaps == Taps::before
                       ? step
                       : static_cast<int>(blockIdx.x) % a.groups * Tile::kWarpsN + march_group<Tile>(warp);
  const unsigned phase = static_cast<unsigned>(2 * pair / a.phase_blocks);
  return static_cast<unsigned>((2 * pair + 1) / a.phase_blocks) == phase ? phase : kOddD | kOddH | kOddW;
}

/// All of a convolution of stride 2; its march, which tensor_core.cu has.
void convolve_phases(GpuQueue&, const Convolve<Bf16>&);
void march_phases(GpuQueue&, const MarchArgs<Bf16>&, const Conv3dMarch&, Conv3dPass);

/// The phases of x, each with all its channel blocks: [n][phase][block][voxel][8]. Voxels that x has not are 0.
void gather_phases(GpuQueue&, const Conv3dGeometry&, const VolumeParts<const Bf16>& x, Bf16* phases);

}  // namespace vox::gpu
