#pragma once

#include <type_traits>

#include "kernels/cuda/conv3d/march_gradient.cuh"

/// The second stage of a march whose input channels are split among thread blocks: adds the shares in order. A thread
/// block has kShareVoxels of a channel block, one box of Conv3dEpilogue::moments or BatchNormGradSums.
namespace vox::gpu {

/// What is taken of a result beside writing it.
enum class Taken : std::uint8_t { nothing, moments, gradient };

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

/// The sums of batch norm's gradient over a box, whose values are y from element `first` on.
__device__ __forceinline__ void take_gradient(const MarchArgs<Bf16>& a, int block, std::int64_t box, std::int64_t boxes,
                                              bool there, std::int64_t first, const Pack<Bf16, 4>& y) {
  VOX_SHARED(float, slopes, [8]);
  VOX_SHARED(float, shifts, [8]);
  VOX_SHARED(float, means, [8]);
  const BatchNormGradTaken<Bf16>& g = a.gradient;
  const int t = static_cast<int>(threadIdx.x);
  const auto x = there ? load_pack<2>(reinterpret_cast<const std::uint32_t*>(g.x + first)) : Pack<std::uint32_t, 2>{};
  if (t < 8) {
    const int c = block * 8 + t;
    const bool present = c < a.out_channels;
    slopes[t] = norm_slope(g.of, c, g.eps, g.activation.scale, present);
    shifts[t] = norm_shift(g.of, c, g.activation.scale, slopes[t], present);
    means[t] = present ? g.of.mean[c] : 0.0F;
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
    const bool passes = there && !(normalised <= 0) && (!g.drops || random.v[c] > g.activation.largest_dropped);
    const float dn = passes ? load(y.v[c]) : 0.0F;
    sums[2 * c] = dn;
    sums[2 * c + 1] = passes ? dn * (v - means[part + c]) : 0.0F;
  }
  const double total = sum_of_box(sums);
  if (t < 16) {
    g.sums[((block * 2 + t / 8) * kBlock8 + t % 8) * boxes + box] = total * static_cast<double>(g.activation.scale);
  }
}

/// out = the sums of all shares, in order, and the bias; padding channels zero. A thread adds 16 bytes of sums. grid:
/// boxes of a row * channel blocks * cases
template <class T, Taken TAKEN>
__global__ void __launch_bounds__(kShareThreads<T>) sum_shares_kernel(MarchArgs<T> a, int of_row) {
  wait_for_launches_before();
  constexpr int kPack = kWide<Acc<T>>;
  constexpr int kParts = 8 / kPack;
  constexpr int kTogether = 4;  ///< shares whose sums are read before they are added
  const int t = static_cast<int>(threadIdx.x);
  const int in_row = static_cast<int>(blockIdx.x % of_row);
  const int row = static_cast<int>(blockIdx.x / of_row);
  const int block = row % a.out_blocks;
  const int n = row / a.out_blocks;
  const int voxels = a.d * a.h * a.w;
  const int voxel = in_row * kShareVoxels + t / kParts;
  const int part = t % kParts * kPack;
  const bool there = voxel < voxels;
  if (TAKEN == Taken::nothing && !there) { return; }
  const std::int64_t place = (static_cast<std::int64_t>(row) * voxels + (there ? voxel : 0)) * 8 + part;
  const std::int64_t apart = static_cast<std::int64_t>(a.cases) * a.out_blocks * voxels * 8;
  Acc<T> sum[kPack] = {};
  for (int share = 0; share < a.shares; share += kTogether) {
    Pack<Acc<T>, kPack> read[kTogether];
    VOX_UNROLL
    for (int s = 0; s < kTogether; ++s) {
      read[s] =
          share + s < a.shares ? load_pack<kPack>(a.partial + (share + s) * apart + place) : Pack<Acc<T>, kPack>{};
    }
    VOX_UNROLL
    for (int s = 0; s < kTogether; ++s) {
      VOX_UNROLL
      for (int c = 0; c < kPack; ++c) { sum[c] += read[s].v[c]; }
    }
  }
  Pack<T, kPack> y;
  VOX_UNROLL
  for (int c = 0; c < kPack; ++c) {
    const int channel = block * 8 + part + c;
    const bool present = channel < a.out_channels;
    const Acc<T> value = present ? sum[c] + (a.bias != nullptr ? a.bias[channel] : Acc<T>{0}) : Acc<T>{0};
    y.v[c] = store<T>(a.relu != 0 && value <= 0 ? Acc<T>{0} : value);  // NaN stays one
  }
  if (there) { store_pack(a.out.at(n, block) + static_cast<std::int64_t>(voxel) * 8 + part, y); }
  if constexpr (TAKEN != Taken::nothing) {
    const std::int64_t boxes = static_cast<std::int64_t>(a.cases) * of_row;
    const std::int64_t box = static_cast<std::int64_t>(n) * of_row + in_row;
    if constexpr (TAKEN == Taken::moments) {
      take_moments(a, block * boxes + box, min(kShareVoxels, voxels - in_row * kShareVoxels), there, y);
    } else {
      take_gradient(a, block, box, boxes, there, place, y);
    }
  }
}

template <Taken TAKEN, class T> void launch_sum_shares(GpuQueue& q, const MarchArgs<T>& a) {
  const std::int64_t of_row = ceil_div(static_cast<std::int64_t>(a.d) * a.h * a.w, kSharedBoxVoxels);
  VOX_LAUNCH(q, (sum_shares_kernel<T, TAKEN>), static_cast<unsigned>(a.cases * a.out_blocks * of_row), kShareThreads<T>,
             0, a, static_cast<int>(of_row));
}
template <class T> void sum_shares(GpuQueue& q, const MarchArgs<T>& a) {
  if (a.shares == 1) { return; }
  if constexpr (!std::is_same_v<T, double>) {
    if (a.moments != nullptr) { return launch_sum_shares<Taken::moments>(q, a); }
  }
  if constexpr (std::is_same_v<T, Bf16>) {
    if (a.gradient.sums != nullptr) { return launch_sum_shares<Taken::gradient>(q, a); }
  }
  launch_sum_shares<Taken::nothing>(q, a);
}

}  // namespace vox::gpu
