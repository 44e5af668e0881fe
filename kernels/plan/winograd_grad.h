#pragma once

#include <cstdint>

#include "kernels/plan/winograd.h"

namespace vox {

/// How Winograd's algorithm cuts the weight gradient of a convolution of kernel 3 and stride 1. dy is cut into tiles of
/// m^3 voxels. With the (m+2)^3 points of a tile, V of x and Y of dy,
///   dU[point][c][o] = sum over tiles of V[point][tile][c] * Y[point][tile][o]   and   dW = G^T dU G on all three axes.
/// Error in f32 against f64, normally distributed x and dy: the largest below 1e-5 of the largest |dW|, where a direct
/// sum stays below 5e-6; tests/kernels/winograd_test.cpp measures it.
///
/// A part is a run of boxes of tiles, D innermost, which are added up in order: a pure function of the geometry. A task
/// is a part and a share of the input and the output channels and of the points, by the number of threads
/// (kernels/plan/tasks.h). Parts are few: sums that come from memory cost a fifth of a layer's time, where they
/// were 64.
struct WinogradGradPlan {
  static constexpr std::int64_t kGroup = WinogradPlan::kGroup;  ///< channels are padded to whole groups
  static constexpr std::int64_t kM = 4;                         ///< voxels of dy in a tile, along each axis
  static constexpr std::int64_t kAxis = kM + 2;                 ///< points of a tile along each axis
  static constexpr std::int64_t kPoints = kAxis * kAxis * kAxis;

  VolumeShape x;
  VolumeShape y;
  std::int64_t padding = 1;
  std::int64_t tiles_h = 1;  ///< of a box
  std::int64_t tiles_w = 1;
  std::int64_t boxes_d = 0;
  std::int64_t boxes_h = 0;
  std::int64_t boxes_w = 0;
  std::int64_t in_channels = kGroup;   ///< of a task, padded
  std::int64_t out_channels = kGroup;  ///< of a task, padded: one group or two
  std::int64_t in_shares = 1;
  std::int64_t out_shares = 1;
  std::int64_t parts = 1;
  std::int64_t point_shares = 1;  ///< of the points of D and H; divides them

  [[nodiscard]] std::int64_t tiles() const { return tiles_h * tiles_w; }
  [[nodiscard]] std::int64_t boxes() const { return y.n * boxes_d * boxes_h * boxes_w; }
  [[nodiscard]] WinogradBox box(std::int64_t i) const;
  [[nodiscard]] std::int64_t shares() const { return in_shares * out_shares; }
  [[nodiscard]] std::int64_t sums() const { return parts * shares(); }
  [[nodiscard]] std::int64_t tasks() const { return sums() * point_shares; }
  /// dU of a part and a share of the channels, [points][in_channels][out_channels].
  [[nodiscard]] std::int64_t sum_elements() const { return kPoints * in_channels * out_channels; }
  [[nodiscard]] std::int64_t shared_elements() const { return sums() * sum_elements(); }

  /// What one side of a worker's scratch holds, in elements.
  struct Side {
    std::int64_t lines;   ///< [kAxis][kAxis][tiles_h][cols][channels], skewed
    std::int64_t points;  ///< [tiles][channels/16][kAxis][16]
  };
  [[nodiscard]] Side x_side() const { return side(tiles_w * kM + 2, in_channels); }
  [[nodiscard]] Side y_side() const { return side(tiles_w * kM, out_channels); }
  [[nodiscard]] std::int64_t worker_elements() const;

 private:
  [[nodiscard]] Side side(std::int64_t cols, std::int64_t channels) const {
    return {.lines = kAxis * kAxis * WinogradPlan::skewed(tiles_h * cols * channels),
            .points = tiles() * kAxis * channels};
  }
};

/// Whether this is faster than the direct algorithm, where it can run: whole groups of channels, and enough tiles for
/// each dU that is read and written.
[[nodiscard]] bool winograd_grad_wins(const Conv3dGeometry&);
[[nodiscard]] WinogradGradPlan winograd_grad_plan(const Conv3dGeometry&, int threads);
[[nodiscard]] std::int64_t scratch_elements(const WinogradGradPlan&, int threads);

}  // namespace vox
