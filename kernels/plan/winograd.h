#pragma once

#include <cstdint>

#include "kernels/base/math.h"
#include "kernels/conv3d.h"

namespace vox {

/// A box of Winograd's tiles of one case: one along D, tiles_h along H, tiles_w along W.
struct WinogradBox {
  std::int64_t n = 0;
  std::int64_t d = 0;  ///< the first output voxel
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t tiles_h = 1;
  std::int64_t tiles_w = 1;
};

/// Winograd's minimal filtering F(m^3,3^3), m = 4 or 2 (kernels/cpu/winograd/transform.h): tiles of m^3 outputs from
/// (m+2)^3 products per pair of channels instead of 27 m^3, so 3.4 or 8 per output instead of 27.
///
/// Error in f32 against f64, normally distributed inputs, 16 to 256 input channels: the largest below 1e-5 of the
/// largest |y| for m = 4 and 1.5e-6 for m = 2, where a direct sum stays below 5e-6; tests/kernels/winograd_test.cpp
/// measures it.
///
/// How a convolution of kernel 3 and stride 1 is cut: a task is a box of tiles and so many groups of 16 output
/// channels, by the geometry, the pass and the number of threads (kernels/plan/tasks.h). Statistics of the outputs are
/// taken layer by layer: a box is one or more of them along H, and where they lie follows from the geometry and the
/// pass alone.
struct WinogradPlan {
  static constexpr std::int64_t kGroup = 16;  ///< channels are padded to whole groups
  static constexpr std::int64_t kSkew = 48;   ///< elements between points in scratch
  Conv3dPass pass = Conv3dPass::correlate;
  VolumeShape in;                 ///< what is read
  VolumeShape out;                ///< what is written
  std::int64_t padding = 1;       ///< voxels that are read before the first output voxel
  std::int64_t m = 4;             ///< outputs of a tile, along each axis: 4 or 2
  std::int64_t in_channels = 0;   ///< padded
  std::int64_t out_channels = 0;  ///< padded
  std::int64_t tiles_h = 1;       ///< of a box
  std::int64_t tiles_w = 1;
  std::int64_t boxes_d = 0;
  std::int64_t boxes_h = 0;
  std::int64_t boxes_w = 0;
  std::int64_t layer_h = 1;  ///< tiles of a layer along H; divides tiles_h
  std::int64_t layers_h = 0;
  std::int64_t shares = 1;  ///< the groups of output channels are cut into so many tasks

  [[nodiscard]] std::int64_t points() const { return m + 2; }  ///< per axis
  [[nodiscard]] std::int64_t tiles() const { return tiles_h * tiles_w; }
  [[nodiscard]] std::int64_t cols() const { return tiles_w * m + 2; }
  [[nodiscard]] std::int64_t boxes() const { return in.n * boxes_d * boxes_h * boxes_w; }
  [[nodiscard]] std::int64_t layers() const { return in.n * boxes_d * layers_h * boxes_w; }
  [[nodiscard]] std::int64_t groups() const { return out_channels / kGroup; }
  [[nodiscard]] std::int64_t tasks() const { return boxes() * shares; }
  /// Box number i, D innermost: neighbours in time share two slices of their halo.
  [[nodiscard]] WinogradBox box(std::int64_t i) const;
  /// The number of a box's first layer; the next ones are boxes_d apart.
  [[nodiscard]] std::int64_t first_layer(const WinogradBox&) const;

  // Elements of scratch. Shared by all workers: the transformed weight [PD][PH][groups][in_channels][PW][16] and the
  // bias [out_channels] after it. Of each worker: kernels/cpu/winograd/convolve.cpp says what lies where.
  [[nodiscard]] std::int64_t filter_elements() const {
    return points() * points() * points() * in_channels * out_channels;
  }
  [[nodiscard]] std::int64_t shared_elements() const { return filter_elements() + out_channels; }
  /// From one point of D and H to the next in scratch; skewed, or all of them would meet in one set of the L1.
  [[nodiscard]] static std::int64_t skewed(std::int64_t elements) { return elements + kSkew; }
  [[nodiscard]] std::int64_t lines_elements() const {
    return points() * points() * skewed(tiles_h * cols() * in_channels);
  }
  [[nodiscard]] std::int64_t points_elements() const { return tiles() * points() * in_channels; }
  [[nodiscard]] std::int64_t task_channels() const;  ///< output channels of the largest task
  [[nodiscard]] std::int64_t sums_elements() const {
    return points() * points() * skewed(tiles() * m * task_channels());
  }
  [[nodiscard]] std::int64_t worker_elements() const;
};

/// Whether the algorithm can compute this pass: kernel 3, stride 1, padding 0 to 2.
[[nodiscard]] bool winograd_runs(Conv3dPass, const Conv3dGeometry&);
/// Whether it is faster than the tiled algorithm.
[[nodiscard]] bool winograd_wins(Conv3dPass, const Conv3dGeometry&);
/// The plan with the m that costs least.
[[nodiscard]] WinogradPlan winograd_plan(const Conv3dGeometry&, Conv3dPass, int threads);
[[nodiscard]] WinogradPlan winograd_plan_of(std::int64_t m, const Conv3dGeometry&, Conv3dPass, int threads);
[[nodiscard]] std::int64_t scratch_elements(const WinogradPlan&, int threads);

}  // namespace vox
