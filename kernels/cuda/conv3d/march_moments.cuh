#pragma once

#include "kernels/cuda/conv3d/march_place.cuh"
#include "kernels/cuda/reduce.cuh"

/// The moments of what a thread block of a march writes, Conv3dEpilogue::moments; its voxels are one box. A lane has a
/// few channels of a few voxels: of each slice it adds up the distances from a value of the warp's, and their squares,
/// and the warp adds these up over its lanes, so that a lane keeps one of its 32 sums. Sums are f32, over at most 2048
/// values of a warp; none of these is further than sqrt(2048) deviations from the mean, so none can drown the variance.
namespace vox::gpu {

/// Adds up eight sums over the eight lanes whose numbers differ in APART, 2*APART and 4*APART. The lane has the sum
/// number lane / APART % 8 of them. All lanes call.
template <int APART> __device__ __forceinline__ float sum_of_eight(float (&v)[8]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  VOX_UNROLL
  for (int half = 4; half > 0; half /= 2) {
    const bool upper = (lane / APART & half) != 0;
    VOX_UNROLL
    for (int k = 0; k < half; ++k) {
      const float give = upper ? v[k] : v[k + half];
      const float keep = upper ? v[k + half] : v[k];
      v[k] = keep + __shfl_xor_sync(kWholeWarp, give, half * APART);
    }
  }
  return v[0];
}

/// What a warp takes its distances from, per output channel of its 16: the first value that it writes.
template <class Tile> __device__ __forceinline__ float* about_of_warp(int warp) {
  VOX_SHARED(float, about, [Tile::kThreads / kWarp][16]);
  return about[warp];
}

/// Writes the box: by a thread for each output channel, from what every lane has added up. In `sum` the lane brings, of
/// the channel c that lane_of(c, k) tells, the sum of distances, k = 0, or of their squares, k = 1. `shared`: a float
/// for each thread, which may still be read as something else.
template <class Tile, class T, class LaneOf>
__device__ __forceinline__ void write_moments(const MarchArgs<T>& a, const MarchPlace& at, const MarchWarp<T>* warps,
                                              float* shared, float sum, const LaneOf& lane_of) {
  constexpr int kWarps = Tile::kWarpsW * Tile::kWarpsH;  // that have the same channels
  __syncthreads();
  shared[threadIdx.x] = sum;
  __syncthreads();
  const int c = static_cast<int>(threadIdx.x) % 16;
  const int first = static_cast<int>(threadIdx.x) / 16 * kWarps;
  if (first >= kWarps * Tile::kWarpsN) { return; }
  const int block = warps[first].channel / 8 + c / 8;
  if (block >= a.out_blocks) { return; }
  const auto about = static_cast<double>(about_of_warp<Tile>(first)[c]);
  double count = 0;
  double of_distances = 0;
  double of_squares = 0;
  VOX_UNROLL
  for (int warp = first; warp < first + kWarps; ++warp) {
    const int voxels = min(Tile::kRows, a.h - warps[warp].h) * min(8, a.w - warps[warp].w) * (at.last - at.first);
    if (a.h <= warps[warp].h || a.w <= warps[warp].w) { continue; }
    const double step = static_cast<double>(about_of_warp<Tile>(warp)[c]) - about;
    const auto distances = static_cast<double>(shared[warp * kWarp + lane_of(c, 0)]);
    const auto squares = static_cast<double>(shared[warp * kWarp + lane_of(c, 1)]);
    count += voxels;
    of_distances += distances + voxels * step;
    of_squares += squares + step * (2 * distances + voxels * step);
  }
  const double mean = of_distances / count;
  const std::int64_t boxes = gridDim.x / a.groups;
  double* const box = a.moments + (block * boxes + blockIdx.x / a.groups) * kBoxMoments + c % 8;
  box[0] = count;
  box[kBlock8] = about + mean;
  box[2 * kBlock8] = of_squares - mean * of_distances;
}

}  // namespace vox::gpu
