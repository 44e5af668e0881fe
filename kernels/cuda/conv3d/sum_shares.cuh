#pragma once

#include <type_traits>

#include "kernels/cuda/conv3d/share_box.cuh"

/// The second stage of a march whose input channels are split among thread blocks: adds the shares in order.
namespace vox::gpu {

/// What is taken of a result beside writing it.
enum class Taken : std::uint8_t { nothing, moments, gradient };

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
      take_gradient(a, n, block, box, boxes, there, place, y);
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
