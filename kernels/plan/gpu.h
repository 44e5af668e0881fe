#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/base/math.h"
#include "kernels/conv3d.h"

/// How the GPU's convolutions cut their work: pure functions of the geometry, so that the order of every sum, and with
/// it every bit, is the same on every GPU and on the CPU that executes the kernels.
namespace vox {

inline constexpr std::int64_t kTaps = 27;             ///< of tiled and tensor_core: 3^3
inline constexpr std::int64_t kGroup = 16;            ///< output channels of a warp
inline constexpr std::int64_t kWantedBlocks = 528;    ///< thread blocks: four for each multiprocessor of a large GPU
inline constexpr std::int64_t kWantedMarches = 396;   ///< of four warps: three run at a time on each of 132
inline constexpr std::int64_t kSharedBoxVoxels = 64;  ///< of a box whose sums are in shares: what a thread block adds
inline constexpr std::int64_t kWantedGrads = 264;     ///< of a weight gradient: two, all of which run at a time
inline constexpr std::int64_t kMaxSlice = 1LL << 27;  ///< voxels of a slice: its elements are counted in 32 bits

/// A march, how tiled and tensor_core convolve: a thread block takes a tile of tile_h x tile_w output voxels and a
/// group of output channels and walks along D through `depth` slices, its sums for three neighbouring slices in
/// registers.
struct Conv3dMarch {
  VolumeShape in;    ///< what is gathered
  VolumeShape out;   ///< what is written; for grad_weight what is read beside it
  bool wide = true;  ///< 16x16 tiles and 16 channels; else 8x8 and 32, for volumes that are no larger
  std::int64_t tile_w = 0;
  std::int64_t tile_h = 0;
  std::int64_t tiles_w = 0;
  std::int64_t tiles_h = 0;
  std::int64_t warps_n = 1;  ///< warps side by side in output channels
  std::int64_t groups = 0;   ///< of warps_n*kGroup output channels
  std::int64_t depth = 1;    ///< slices a thread block walks
  std::int64_t parts = 0;    ///< of D
  std::int64_t shares = 1;   ///< of the input channels; more than one: each writes its sums to scratch, added in order
  std::int64_t share_steps = 0;  ///< input channels of a share, in groups of 16

  [[nodiscard]] std::int64_t columns_of_case() const { return parts * tiles_h * tiles_w; }
  [[nodiscard]] std::int64_t columns() const { return out.n * columns_of_case(); }
  [[nodiscard]] std::int64_t blocks() const { return columns() * groups * shares; }
  /// Weights in the order of the kernels: at most; bf16 takes half of each.
  [[nodiscard]] std::int64_t packed_elements() const {
    return groups * warps_n * kGroup * in.blocks() * kBlock8 * kTaps;
  }
  /// Sums of all shares, each laid out as the result.
  [[nodiscard]] std::int64_t partial_elements() const { return shares == 1 ? 0 : shares * out.padded_count(); }
};
/// rows_per_thread: output rows a thread or warp of the wide tile holds one above the other: 8, or 4 in f64.
[[nodiscard]] Conv3dMarch conv3d_march(const Conv3dGeometry&, Conv3dPass, std::int64_t rows_per_thread);

/// A 3^3 convolution of stride 2, padding 1, as one of stride 1 on the eight phases of its fine side, voxels that are
/// even or odd along each axis: x has as many times the channel blocks, all of them whole, [phase][block], and the
/// extents of y. Of the 27 taps of a pair of channels eight are there, of which those of all phases are 27 again.
[[nodiscard]] Conv3dGeometry conv3d_phases(const Conv3dGeometry&);
/// What tensor cores march through: that, or the geometry itself.
[[nodiscard]] inline Conv3dGeometry march_geometry(const Conv3dGeometry& g) {
  return g.stride == 2 ? conv3d_phases(g) : g;
}
inline constexpr std::int64_t kPhaseTaps = 8;

/// Where things lie in the scratch of a convolution by phases, in f32 elements: first packed weights.
struct PhaseScratch {
  std::int64_t partial = 0;
  std::int64_t phases = 0;
  std::int64_t bias = 0;
  std::int64_t end = 0;
};
/// m: the march of phases, the geometry that conv3d_phases() gave.
[[nodiscard]] PhaseScratch phase_scratch(const Conv3dMarch& m, const Conv3dGeometry& phases, Conv3dPass);

/// The march of a weight gradient: thread block (share, output group, input group) adds up the columns (tile x part of
/// D) of its share and writes one partial sum [27][input_group][kGroup]; a second kernel adds the shares of each case
/// in order. Share i of n * shares_of_case takes columns [columns * i / shares, columns * (i+1) / shares): of one case.
struct Conv3dGradMarch {
  Conv3dMarch march;
  std::int64_t input_group = 8;  ///< input channels of a thread block: 8, or 16 on tensor cores
  std::int64_t input_groups = 0;
  std::int64_t shares_of_case = 1;
  std::int64_t taps = kTaps;  ///< or kPhaseTaps

  [[nodiscard]] std::int64_t shares() const { return march.out.n * shares_of_case; }
  [[nodiscard]] std::int64_t partial_elements() const {
    return shares() * march.groups * input_groups * taps * input_group * kGroup;
  }
};
[[nodiscard]] Conv3dGradMarch conv3d_grad_march(const Conv3dGeometry&, std::int64_t input_group,
                                                std::int64_t taps = kTaps);

/// A convolution whose windows lie side by side (kernel = stride, no padding) as one matrix product over the voxels of
/// geometry.y: [voxels x 8*chunks] x [8*chunks x 8*tiles]. A chunk is a block of input channels, a tile one of output
/// channels; on the side of geometry.x there is one of each for every tap.
struct Conv3dGemm {
  VolumeShape in;
  VolumeShape out;
  std::int64_t taps = 1;
  // On the other side their order is (kd, kh, block, kw), so that neighbours in memory are neighbours.
  std::int64_t chunks = 0;
  std::int64_t tiles = 0;

  /// Weights in the order of the kernels, chunks padded to 2 and tiles to 4.
  [[nodiscard]] std::int64_t packed_elements() const {
    return ceil_div(chunks, 2) * 2 * ceil_div(tiles, 4) * 4 * kBlock8 * kBlock8;
  }
};
[[nodiscard]] Conv3dGemm conv3d_gemm(const Conv3dGeometry&, Conv3dPass);

/// Its weight gradient: thread block (share, output group, input group) adds every voxel of its share, which is one of
/// a case, for 32 channels of y and 16 of x, all taps.
struct Conv3dGradGemm {
  static constexpr std::int64_t kOut = 32;
  static constexpr std::int64_t kIn = 16;
  static constexpr std::int64_t kVoxels = 256;  ///< the least that a share is
  std::int64_t taps = 1;
  std::int64_t groups = 0;
  std::int64_t input_groups = 0;
  std::int64_t cases = 1;
  std::int64_t shares_of_case = 1;

  [[nodiscard]] std::int64_t shares() const { return cases * shares_of_case; }
  [[nodiscard]] std::int64_t partial_elements() const { return shares() * groups * input_groups * taps * kOut * kIn; }
};
[[nodiscard]] Conv3dGradGemm conv3d_grad_gemm(const Conv3dGeometry&);

/// Shares of a case in the direct weight gradient: enough threads for a GPU, each with at least 256 voxels to add.
[[nodiscard]] std::int64_t conv3d_direct_shares(const Conv3dGeometry&);

/// Elements of conv3d's weight: [O,I,K,K,K].
[[nodiscard]] constexpr std::int64_t weight_elements(const Conv3dGeometry& g) {
  return g.y.c * g.x.c * g.kernel * g.kernel * g.kernel;
}

/// Voxels of dy that one thread block of the bias gradient adds.
inline constexpr std::int64_t kGradBiasVoxels = 4096;

}  // namespace vox
