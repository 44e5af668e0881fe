#pragma once

#include <array>
#include <cstdint>

#include "kernels/base/math.h"
#include "kernels/conv3d.h"

namespace vox {

inline constexpr std::int64_t kMaxTaps = 343;    // 7^3, of the tiled algorithm
inline constexpr std::int64_t kMaxClasses = 64;  // 4^3

/// How the tiled algorithm cuts a convolution. Blocks and parts are a pure function of the geometry and the pass,
/// whatever the thread count and the instruction set, so that all of them add in the same order; the channels of a task
/// follow the threads (kernels/plan/tasks.h).
///
/// The outputs form a lattice: lattice point q is output voxel out_step*q + residue and reads the input voxels
/// in_step*q + delta, delta in [delta_min, delta_min+span). The out_step^3 residues are classes: each has its own taps
/// (a transposed convolution of kernel 2 and stride 2: eight classes of one tap). A block of block_d x block_h lattice
/// rows is gathered with its halo into [in.blocks()][planes][rows][in_step][positions][8], where the last axes hold the
/// voxels of a row by their residue modulo in_step: so neighbours on the lattice are neighbours in memory.
struct Conv3dTiling {
  Conv3dPass pass = Conv3dPass::correlate;
  VolumeShape in;   ///< what is gathered
  VolumeShape out;  ///< what is written; for grad_weight what is read beside it
  std::int64_t in_step = 1;
  std::int64_t out_step = 1;
  std::int64_t delta_min = 0;
  std::int64_t span = 1;
  std::int64_t lattice_d = 0;  ///< of the largest class
  std::int64_t lattice_h = 0;
  std::int64_t lattice_w = 0;
  std::int64_t group = 8;   ///< output channels that are computed together: 8, 16 or 32
  std::int64_t groups = 1;  ///< of all output channels
  std::int64_t taps = 1;    ///< K^3, over all classes
  std::int64_t block_d = 1;
  std::int64_t block_h = 1;
  std::int64_t blocks_d = 0;
  std::int64_t blocks_h = 0;
  std::int64_t planes = 0;
  std::int64_t rows = 0;
  std::int64_t positions = 0;
  std::int64_t chunk = 1;            ///< input blocks multiplied while a tile is in registers
  std::int64_t groups_per_task = 1;  ///< correlate and spread: a task is a block and so many groups
  std::int64_t parts = 1;            ///< grad_weight: a task is a part of the blocks, a group and …
  std::int64_t in_per_task = 1;      ///< … about so many blocks of input channels

  [[nodiscard]] std::int64_t row_elements() const { return in_step * positions * kBlock8; }
  [[nodiscard]] std::int64_t plane_elements() const { return rows * row_elements(); }
  [[nodiscard]] std::int64_t gathered_elements() const { return planes * plane_elements(); }  ///< of one input block
  [[nodiscard]] std::int64_t voxels() const { return block_d * block_h * lattice_w; }         ///< of one block
  [[nodiscard]] std::int64_t blocks() const { return in.n * blocks_d * blocks_h; }
  [[nodiscard]] std::int64_t in_shares() const { return ceil_div(in.blocks(), in_per_task); }
  /// Where the input voxel at delta_min + (d,h,w) of lattice point 0 lies in a gathered block.
  [[nodiscard]] std::int64_t offset_of(std::int64_t d, std::int64_t h, std::int64_t w) const {
    return d * plane_elements() + h * row_elements() + (w % in_step * positions + w / in_step) * kBlock8;
  }

  /// Packed weights: [groups][in.blocks()][taps][8][group], and the bias [groups][group] after them.
  [[nodiscard]] std::int64_t packed_elements() const {
    return groups * in.blocks() * taps * kBlock8 * group + groups * group;
  }
  [[nodiscard]] std::int64_t tasks() const;
  [[nodiscard]] std::int64_t shared_elements() const;  ///< scratch all workers share
  [[nodiscard]] std::int64_t worker_elements() const;  ///< and of each of them
};

[[nodiscard]] Conv3dTiling conv3d_tiling(const Conv3dGeometry&, Conv3dPass, int threads);
[[nodiscard]] std::int64_t scratch_elements(const Conv3dTiling&, int threads);

/// The taps of every class: those of class c are [begin[c], begin[c+1]).
struct Conv3dTaps {
  struct Class {
    std::array<std::int64_t, 3> first;   ///< output voxel of lattice point 0, per axis
    std::array<std::int64_t, 3> extent;  ///< lattice points, per axis
    std::int64_t begin;
    std::int64_t end;
    std::int64_t run;  ///< 3 where the taps come in threes whose offsets are 8 apart, else 1
  };
  std::int64_t class_count = 0;
  std::array<Class, kMaxClasses> classes;
  std::array<std::int64_t, kMaxTaps> tap;     ///< (kd*K + kh)*K + kw
  std::array<std::int64_t, kMaxTaps> place;   ///< the inverse: tap[place[k]] = k
  std::array<std::int64_t, kMaxTaps> offset;  ///< in a gathered block
};
[[nodiscard]] Conv3dTaps conv3d_taps(const Conv3dGeometry&, const Conv3dTiling&);

}  // namespace vox
