#pragma once

#include <cstdint>

#include "kernels/base/math.h"
#include "kernels/conv3d.h"

namespace vox {

// How convolutions are cut for AMX, Intel's matrix unit: C[16][16] f32 += A[16][32] bf16 * B[32][16] bf16. What is
// added up apart, boxes and partial sums, is a pure function of the geometry, the pass and the storage type, so that
// sums form in the same order on any number of threads; how much of it a task takes follows the threads
// (kernels/plan/tasks.h).
//
// An f32 value v becomes two bf16 halves, high = bf16(v) and low = bf16(v - high), 16 bits of mantissa in all. Their
// product is high*high + low*high + high*low (+ low*low where it is free), each exact in f32, summed in f32: what
// Intel's libraries call bf16x3. G. Henry, P. Tang, A. Heinecke, "Leveraging the bfloat16 AI datatype for
// higher-precision computations", ARITH 2019.

inline constexpr std::int64_t kAmxRows = 16;     ///< of A and C: voxels
inline constexpr std::int64_t kAmxColumns = 16;  ///< of B and C: output channels
inline constexpr std::int64_t kAmxDepth = 32;    ///< bf16 multiplied and added at once
inline constexpr std::int64_t kAmxTileBytes = 1024;
inline constexpr std::int64_t kAmxGradTogether = 8;  ///< planes of a weight gradient that are added up at once, at most
inline constexpr std::int64_t kAmxSinkColumns = 8;   ///< tiles of output channels whose statistics are kept at once

/// Boxes of output rows.
struct AmxBoxes {
  std::int64_t depth = 1;  ///< planes of a box
  std::int64_t height = 1;
  std::int64_t along_d = 0;  ///< boxes
  std::int64_t along_h = 0;
};

/// Forward and data gradient, 3x3x3 at stride 1. Rows of A are voxels that follow one another along W, columns of B are
/// output channels, and the 32 in the middle are `positions` voxels of `unit` values: the channels of a group. Of f32
/// with at most 16 channels these are the high halves and then the low ones; with more, the low halves are staged
/// apart.
struct AmxConv {
  Conv3dPass pass = Conv3dPass::correlate;
  VolumeShape in;
  VolumeShape out;
  std::int64_t delta_min = 0;  ///< out voxel q reads in voxels q + delta_min … q + delta_min + 2
  std::int64_t channels = 16;  ///< of a group: 4, 8, 16 or 32
  std::int64_t groups = 1;
  std::int64_t unit = 32;
  std::int64_t halves_apart = 1;  ///< 2: the high halves of a plane and then the low ones; 1: in one, or bf16
  std::int64_t positions = 1;
  std::int64_t steps = 3;     ///< products along W: ceil(3 / positions)
  std::int64_t products = 1;  ///< of halves, for a product of values
  std::int64_t weight_halves = 1;
  std::int64_t columns = 1;  ///< tiles of 16 output channels
  std::int64_t columns_per_task = 1;
  AmxBoxes boxes;          ///< whose statistics are taken apart
  std::int64_t stack = 1;  ///< boxes behind one another along D that a task takes: they share the planes between them
  std::int64_t staged_planes = 3;  ///< all of a stack, or a ring of four
  std::int64_t pitch = 0;          ///< positions of a staged row

  [[nodiscard]] std::int64_t row() const { return pitch * unit; }  ///< in bf16, like the following
  [[nodiscard]] std::int64_t group() const { return (boxes.height + 2) * row(); }
  [[nodiscard]] std::int64_t half() const { return groups * group(); }
  [[nodiscard]] std::int64_t staged_plane() const { return halves_apart * half(); }
  /// Whether the staged planes are a ring: the planes go by once, and each meets all columns of a task. Else all planes
  /// stay and go by for every two columns, whose weights stay in the cache.
  [[nodiscard]] bool rings() const { return staged_planes < stack * boxes.depth + 2; }
  /// Tiles of packed weights for 16 output channels.
  [[nodiscard]] std::int64_t tiles() const { return groups * 9 * steps * weight_halves; }
  [[nodiscard]] std::int64_t shares() const { return ceil_div(columns, columns_per_task); }
  [[nodiscard]] std::int64_t boxes_of_case() const { return boxes.along_d * boxes.along_h; }
  [[nodiscard]] std::int64_t box_count() const { return in.n * boxes_of_case(); }
  [[nodiscard]] std::int64_t stacks_along_d() const { return ceil_div(boxes.along_d, stack); }
  [[nodiscard]] std::int64_t stack_count() const { return in.n * stacks_along_d() * boxes.along_h; }
  [[nodiscard]] std::int64_t tasks() const { return stack_count() * shares(); }
  /// Whether a worker had better pack the weights of a share, which then are in its cache, and take all stacks: where
  /// there are many weights and few stacks.
  [[nodiscard]] bool packs_alone() const;
  [[nodiscard]] std::int64_t shared_floats() const;  ///< scratch: packed weights, then the bias
  [[nodiscard]] std::int64_t staged_floats() const;
  [[nodiscard]] std::int64_t worker_floats() const;  ///< staged planes, then sums that are to be written out
};
/// halved: for f32.
[[nodiscard]] AmxConv amx_conv(const Conv3dGeometry&, Conv3dPass, bool halved, int threads);

/// Weight gradient. Rows of A are output channels, columns of B input channels (those of three neighbouring taps where
/// there are at most four), and the 32 in the middle are sixteen pairs of voxels. The two voxels of a pair are half a
/// box apart along D, so that pairs follow one another along W and H as voxels do: the rows of a plane lie one behind
/// the other, with zeros of dy between them, a tap is an offset and every tile begins on a cache line.
struct AmxGradWeight {
  VolumeShape x;
  VolumeShape dy;
  std::int64_t padding = 1;
  std::int64_t halves = 1;  ///< bf16 of a value
  std::int64_t copies = 1;  ///< 3: a tile of B holds four channels at three neighbouring voxels
  std::int64_t rows = 1;    ///< tiles of output channels
  std::int64_t columns = 1;
  std::int64_t rows_per_task = 1;
  std::int64_t columns_per_task = 1;
  AmxBoxes boxes;
  std::int64_t pitch = 0;            ///< pairs of positions of a staged row
  std::int64_t length = 0;           ///< of a plane of dy, a multiple of 16
  std::int64_t stretch = 0;          ///< of a plane of x
  std::int64_t together = 1;         ///< pairs of planes that are added up at once; the next ones are staged meanwhile
  std::int64_t x_staged_planes = 3;  ///< pairs of planes: all of a box or a ring
  std::int64_t dy_staged_planes = 1;
  std::int64_t sums = 1;  ///< partial sums, each of a run of boxes

  [[nodiscard]] std::int64_t box_count() const { return x.n * boxes.along_d * boxes.along_h; }
  [[nodiscard]] std::int64_t row_shares() const { return ceil_div(rows, rows_per_task); }
  [[nodiscard]] std::int64_t column_shares() const { return ceil_div(columns, columns_per_task); }
  [[nodiscard]] std::int64_t tasks() const { return sums * row_shares() * column_shares(); }
  [[nodiscard]] std::int64_t taps() const { return 27 / copies; }  ///< tiles of sums per 16 by 16 channels
  [[nodiscard]] std::int64_t sum_row() const { return columns * taps() * kAmxRows * kAmxColumns; }
  [[nodiscard]] std::int64_t sum_floats() const { return rows * sum_row(); }
  /// Pairs of planes of a box: the second planes are the upper half, which may be one fewer.
  [[nodiscard]] static std::int64_t pairs(std::int64_t depth) { return (depth + 1) / 2; }
  /// Pairs of positions of a plane of a box of so many rows.
  [[nodiscard]] std::int64_t positions(std::int64_t height) const { return round_up(height * pitch, kAmxRows); }
  // In bf16. x: [x_staged_planes][columns][halves][stretch][16][2]   dy:
  // [dy_staged_planes][rows][halves][16][length][2]
  [[nodiscard]] std::int64_t x_half() const { return stretch * kAmxDepth; }
  [[nodiscard]] std::int64_t x_column() const { return halves * x_half(); }
  [[nodiscard]] std::int64_t x_plane() const { return columns_per_task * x_column(); }
  [[nodiscard]] std::int64_t dy_half() const { return length * kAmxDepth; }
  [[nodiscard]] std::int64_t dy_row() const { return halves * dy_half(); }
  [[nodiscard]] std::int64_t dy_plane() const { return rows_per_task * dy_row(); }
  [[nodiscard]] std::int64_t shared_floats() const { return sums * sum_floats(); }
  [[nodiscard]] std::int64_t worker_floats() const;
};
[[nodiscard]] AmxGradWeight amx_grad_weight(const Conv3dGeometry&, bool halved, int threads);

/// Whether AMX can: 3x3x3 at stride 1 with rows that fit the scratch, or what gemm takes (kernels/plan/amx_gemm.h).
[[nodiscard]] bool amx_takes(const Conv3dGeometry&);
/// Whether AMX is the fastest algorithm, as measured (benchmarks/results): bf16, one product instead of three, nearly
/// always; f32 (halved) from 16 channels on, and a weight gradient of up to 4 input channels.
[[nodiscard]] bool amx_wins(const Conv3dGeometry&, Conv3dPass, bool halved);
/// Scratch of a pass for the larger storage type, f32.
[[nodiscard]] std::int64_t amx_scratch(const Conv3dGeometry&, Conv3dPass, int threads);

}  // namespace vox
