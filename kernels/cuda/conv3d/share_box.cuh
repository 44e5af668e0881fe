#pragma once

#include "kernels/cuda/conv3d/march_gradient.cuh"

/// What the second stage of a march, sum_shares.cuh, takes of what it writes: a thread block has kShareVoxels of a
/// channel block, one box of Conv3dEpilogue::moments or BatchNormGradSums.
namespace vox::gpu {

inline constexpr int kShareVoxels = static_cast<int>(kSharedBoxVoxels);
template <class T> inline constexpr int kShareThreads = kShareVoxels * 8 / kWide<Acc<T>>;  ///< 16 bytes of sums each

/// Adds up [channel][2] sums of the thread's four channels over the block: threads 0 ... 15 get, in double, sum t / 8
/// of channel t % 8.
__device__ __forceinline__ double sum_of_box(float (&sums)[8]) {
  constexpr int kWarps = kShareThreads<Bf16> / kWarp;
  VOX_SHARED(float, of_warps, [kWarps][16]);
  const int t = static_cast<int>(threadIdx.x);
  float sum = sum_of_eight<2>(sums);  // two threads have a voxel
  sum += __shfl_xor_sync(kWholeWarp, sum, 16);
  if (t % kWarp < 16) { of_warps[t / kWarp][t % kWarp] = sum; }
  __syncthreads();
  if (t >= 16) { return 0; }
  const int c = t % 8;
  double total = 0;
  VOX_UNROLL
  for (int warp = 0; warp < kWarps; ++warp) {
    total += static_cast<double>(of_warps[warp][(c % 4 * 2 + t / 8) * 2 + c / 4]);
  }
  return total;
}

/// The moments of a box whose values are y; there: the thread has some. about: what distances are taken from.
template <class T>
__device__ __forceinline__ void take_moments(const MarchArgs<T>& a, std::int64_t box, int voxels, bool there,
                                             const Pack<T, 4>& y) {
  VOX_SHARED(float, about, [8]);
  const int t = static_cast<int>(threadIdx.x);
  const int part = t % 2 * 4;
  if (t < 2) {
    VOX_UNROLL
    for (int c = 0; c < 4; ++c) { about[part + c] = load(y.v[c]); }
  }
  __syncthreads();
  float sums[8];
  VOX_UNROLL
  for (int c = 0; c < 4; ++c) {
    const float distance = there ? load(y.v[c]) - about[part + c] : 0.0F;
    sums[2 * c] = distance;
    sums[2 * c + 1] = distance * distance;
  }
  const double total = sum_of_box(sums);
  const double distances = __shfl_sync(kWholeWarp, total, t % 8);
  if (t >= 16) { return; }
  double* const to = a.moments + box * kBoxMoments + t % 8;
  if (t < 8) {
    to[0] = voxels;
    to[kBlock8] = static_cast<double>(about[t]) + distances / voxels;
  } else {
    to[2 * kBlock8] = total - distances * distances / voxels;
  }
}

/// The sums of batch norm's gradient over a box of case n, whose values are y from element `first` on.
__device__ __forceinline__ void take_gradient(const MarchArgs<Bf16>& a, int n, int block, std::int64_t box,
                                              std::int64_t boxes, bool there, std::int64_t first,
                                              const Pack<Bf16, 4>& y) {
  VOX_SHARED(float, slopes, [8]);
  VOX_SHARED(float, shifts, [8]);
  VOX_SHARED(float, means, [8]);
  const BatchNormGradTaken<Bf16>& g = a.gradient;
  const int t = static_cast<int>(threadIdx.x);
  const auto x = there ? load_pack<2>(reinterpret_cast<const std::uint32_t*>(g.x + first)) : Pack<std::uint32_t, 2>{};
  if (t < 8) {
    const int c = block * 8 + t;
    const bool present = c < a.out_channels;
    const BatchNormVectors<float> of = g.of.of_case(static_cast<unsigned>(n));
    slopes[t] = norm_slope(of, c, g.eps, g.activation.scale, present);
    shifts[t] = norm_shift(of, c, g.activation.scale, slopes[t], present);
    means[t] = present ? of.mean[c] : 0.0F;
  }
  __syncthreads();
  Philox4 random{{0xFFFFFFFFU, 0xFFFFFFFFU, 0xFFFFFFFFU, 0xFFFFFFFFU}};
  if (g.drops) {
    random = g.activation.keys.random4(static_cast<std::uint64_t>(first) / 4, g.activation.keys.step_now());
  }
  const int part = t % 2 * 4;
  float sums[8];
  VOX_UNROLL
  for (int c = 0; c < 4; ++c) {
    const float v = std::bit_cast<float>(c % 2 == 0 ? x.v[c / 2] << 16U : x.v[c / 2] & 0xFFFF0000U);
    const float normalised = v * slopes[part + c] + shifts[part + c];
    const bool passes =
        there && (g.leaks || !(normalised <= 0)) && (!g.drops || random.v[c] > g.activation.largest_dropped);
    const float dn = passes ? g.activation.one_sided(normalised, load(y.v[c])) : 0.0F;
    sums[2 * c] = dn;
    sums[2 * c + 1] = passes ? dn * (v - means[part + c]) : 0.0F;
  }
  const double total = sum_of_box(sums);
  if (t < 16) {
    g.sums[((block * 2 + t / 8) * kBlock8 + t % 8) * boxes + box] = total * static_cast<double>(g.activation.scale);
  }
}

}  // namespace vox::gpu
