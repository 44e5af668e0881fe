#include "kernels/dice_loss.h"

#include <algorithm>
#include <cassert>

#include "kernels/base/parallel.h"
#include "kernels/cpu/simd/lanes.h"

namespace vox {
namespace {

constexpr std::int64_t kShort = 256;  // voxels summed in the accumulator type before double takes over

/// Adds kDiceSums sums per lane over some voxels of a block. first_class is the class of lane 0.
template <class T>
void add_sums(const T* p, const std::uint8_t* labels, std::int64_t voxels, std::int64_t first_class, double* sums) {
  using A = Acc<T>;
  const LaneMask<A> lane{0, 1, 2, 3, 4, 5, 6, 7};
  Lanes<A> all{};
  Lanes<A> hits{};
  LaneMask<A> count{};
  for (std::int64_t v = 0; v < voxels; ++v) {
    Lanes<A> value;
    load_lanes(p + v * kBlock8, value);
    const LaneMask<A> hit = lane == static_cast<LaneInt<A>>(labels[v] - first_class);
    all += value;
    hits += hit ? value : Lanes<A>{};
    count -= hit;  // true is -1
  }
  for (std::int64_t c = 0; c < kBlock8; ++c) {
    sums[c] += static_cast<double>(all[c]);
    sums[kBlock8 + c] += static_cast<double>(hits[c]);
    sums[2 * kBlock8 + c] += static_cast<double>(count[c]);
  }
}

struct ClassSums {
  double p;
  double hits;
  double labels;

  [[nodiscard]] double over(double smooth) const { return 2 * hits + smooth; }
  [[nodiscard]] double under(double smooth) const { return p + labels + smooth; }
};

ClassSums sums_of(std::span<const double> sums, std::int64_t row) {
  const double* const s = sums.data() + row * kDiceSums;
  return {s[0], s[1], s[2]};
}

/// Adds up the chunks' partial sums, in the order of the chunks.
void fold(const VolumeShape& s, std::int64_t groups, std::span<const double> partials, std::span<double> sums) {
  const VoxelChunks chunks = chunks_of_blocks(s);
  std::fill(sums.begin(), sums.end(), 0.0);
  for (std::int64_t i = 0; i < chunks.count(); ++i) {
    const std::int64_t block = chunks.row(i) % s.blocks();
    const std::int64_t group = groups == 1 ? 0 : chunks.row(i) / s.blocks();
    const double* const from = partials.data() + i * kDiceSums * kBlock8;
    double* const to = sums.data() + (group * s.c + block * kBlock8) * kDiceSums;
    for (std::int64_t c = 0; c < s.channels_in(block); ++c) {
      for (std::int64_t k = 0; k < kDiceSums; ++k) { to[c * kDiceSums + k] += from[k * kBlock8 + c]; }
    }
  }
}

}  // namespace

template <class T> void dice_loss_forward(IsaQueue& q, const DiceLossArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const VoxelChunks chunks = chunks_of_blocks(s);
  assert(std::ssize(a.partials) == dice_partials(s) && std::ssize(a.sums) == a.groups * s.c * kDiceSums);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i) / s.blocks();
    const std::int64_t block = chunks.row(i) % s.blocks();
    const T* const p = a.p.data() + s.offset(n, block, chunks.first(i));
    const std::uint8_t* const labels = a.labels.data() + n * s.voxels() + chunks.first(i);
    double* const sums = a.partials.data() + i * kDiceSums * kBlock8;
    std::fill_n(sums, kDiceSums * kBlock8, 0.0);
    for (std::int64_t v = 0; v < chunks.size(i); v += kShort) {
      add_sums(p + v * kBlock8, labels + v, std::min(kShort, chunks.size(i) - v), block * kBlock8, sums);
    }
  });
  fold(s, a.groups, a.partials, a.sums);
  double score = 0;
  for (std::int64_t row = 0; row < a.groups * s.c; ++row) {
    const ClassSums k = sums_of(a.sums, row);
    score += a.weights[static_cast<std::size_t>(row % s.c)] * k.over(a.smooth) / k.under(a.smooth);
  }
  a.loss[0] = static_cast<Acc<T>>(1 - score / static_cast<double>(a.groups * a.counted));
}

template <class T> void dice_loss_backward(IsaQueue& q, const DiceLossGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const VoxelChunks chunks = chunks_of_blocks(s);
  const double share = -static_cast<double>(a.dy[0]) / static_cast<double>(a.groups * a.counted);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i) / s.blocks();
    const std::int64_t block = chunks.row(i) % s.blocks();
    T hit[kBlock8]{};
    T miss[kBlock8]{};
    for (std::int64_t c = 0; c < s.channels_in(block); ++c) {
      const std::int64_t channel = block * kBlock8 + c;
      const ClassSums k = sums_of(a.sums, (a.groups == 1 ? 0 : n) * s.c + channel);
      const double weight = share * a.weights[static_cast<std::size_t>(channel)] / k.under(a.smooth);
      const double score = k.over(a.smooth) / k.under(a.smooth);
      hit[c] = store<T>(static_cast<Acc<T>>(weight * (2 - score)));
      miss[c] = store<T>(static_cast<Acc<T>>(weight * -score));
    }
    T* const dp = a.dp.data() + s.offset(n, block, chunks.first(i));
    const std::uint8_t* const labels = a.labels.data() + n * s.voxels() + chunks.first(i);
    for (std::int64_t v = 0; v < chunks.size(i); ++v) {
      std::copy_n(miss, kBlock8, dp + v * kBlock8);
      const std::int64_t lane = labels[v] - block * kBlock8;
      if (lane >= 0 && lane < kBlock8) { dp[v * kBlock8 + lane] = hit[lane]; }
    }
  });
}

VOX_INSTANTIATE(IsaQueue, dice_loss_forward, DiceLossArgs);
VOX_INSTANTIATE(IsaQueue, dice_loss_backward, DiceLossGradArgs);

}  // namespace vox
