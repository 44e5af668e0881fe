#include <array>
#include <cassert>

#include "kernels/batch_norm_fold.h"
#include "kernels/cpu/batch_norm_chunks.h"
#include "kernels/cpu/chunk_moments.h"

namespace vox {
namespace {

/// Mean of each chunk and squared distance from it, in order of the chunks.
template <class T> void moments_of_chunks(const IsaQueue& q, const BatchNormStatisticsArgs<T>& a) {
  assert(std::ssize(a.partials) == batch_norm_partials(a.shape));
  for_chunks(q, a.shape, [&](const Chunk& c) {
    moments_of_chunk(a.x.data() + c.first, c.count, a.partials.data() + c.number * 2 * kBlock8);
  });
}

using BlockMoments = std::array<Moments, kBlock8>;

/// Those of a block of channels in a case, of the boxes where there are any.
template <class T> BlockMoments of_case(const BatchNormStatisticsArgs<T>& a, std::int64_t block, std::int64_t n) {
  BlockMoments total{};
  if (!a.all_moments.empty()) {
    for (std::int64_t c = 0; c < a.shape.channels_in(block); ++c) {
      const double* const m = a.all_moments.data() + (n * a.shape.c + block * kBlock8 + c) * kCaseMoments;
      total[static_cast<std::size_t>(c)] = {m[0], m[1], m[2]};
    }
    return total;
  }
  const auto merge = [&](std::int64_t c, const Moments& part) { total[static_cast<std::size_t>(c)].merge(part); };
  if (a.boxes.empty()) {
    over_partials(a.shape, a.partials, block, n, n + 1, [&](const double* chunk, std::int64_t voxels) {
      for (std::int64_t c = 0; c < kBlock8; ++c) {
        merge(c, {static_cast<double>(voxels), chunk[c], chunk[kBlock8 + c]});
      }
    });
    return total;
  }
  constexpr std::int64_t kBox = 3 * kBlock8;  // count, mean and squared distance of eight lanes
  const std::int64_t boxes = std::ssize(a.boxes) / kBox / a.shape.blocks() / a.shape.n;
  const std::int64_t first = (block * a.shape.n + n) * boxes;
  for (std::int64_t i = first; i < first + boxes; ++i) {
    const double* const box = a.boxes.data() + i * kBox;
    for (std::int64_t c = 0; c < kBlock8; ++c) { merge(c, {box[c], box[kBlock8 + c], box[2 * kBlock8 + c]}); }
  }
  return total;
}

template <class T> void write_cases(const IsaQueue& q, const BatchNormStatisticsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  parallel_for(q, s.n * s.blocks(), [&](std::int64_t i) {
    const std::int64_t n = i / s.blocks();
    const std::int64_t block = i % s.blocks();
    const BlockMoments of = of_case(a, block, n);
    for (std::int64_t c = 0; c < s.channels_in(block); ++c) {
      const Moments& m = of[static_cast<std::size_t>(c)];
      double* const to = a.case_moments.data() + (n * s.c + block * kBlock8 + c) * kCaseMoments;
      to[0] = m.count;
      to[1] = m.mean;
      to[2] = m.m2;
    }
  });
}

}  // namespace

template <class T> void batch_norm_statistics(IsaQueue& q, const BatchNormStatisticsArgs<T>& a) {
  if (a.boxes.empty() && a.all_moments.empty()) { moments_of_chunks(q, a); }
  if (!a.case_moments.empty()) { return write_cases(q, a); }
  const auto blend = [m = a.momentum](Acc<T>& running, double batch) {
    running = static_cast<Acc<T>>((1 - m) * static_cast<double>(running) + m * batch);
  };
  const std::int64_t cases = a.shape.n / a.groups;
  parallel_for(q, a.groups * a.shape.blocks(), [&](std::int64_t i) {
    const std::int64_t group = i / a.shape.blocks();
    const std::int64_t block = i % a.shape.blocks();
    BlockMoments total{};
    for (std::int64_t n = group * cases; n < (group + 1) * cases; ++n) {
      const BlockMoments of = of_case(a, block, n);
      for (std::size_t c = 0; c < total.size(); ++c) { total[c].merge(of[c]); }
    }
    for (std::int64_t c = 0; c < a.shape.channels_in(block); ++c) {
      const auto channel = static_cast<std::size_t>(block * kBlock8 + c);
      const Moments& m = total[static_cast<std::size_t>(c)];
      of_group(a.mean, group, a.shape)[channel] = static_cast<Acc<T>>(m.mean);
      of_group(a.variance, group, a.shape)[channel] = static_cast<Acc<T>>(m.m2 / m.count);
      if (a.running_mean.empty()) { continue; }
      blend(a.running_mean[channel], m.mean);
      blend(a.running_variance[channel], m.m2 / (m.count - 1));
    }
  });
}

template <class T> void batch_norm_fold(IsaQueue& q, const BatchNormFoldArgs<T>& a) {
  const std::int64_t channels = std::ssize(a.bias);
  const std::int64_t row = channels == 0 ? 0 : std::ssize(a.weight) / channels;
  parallel_for(q, channels, [&](std::int64_t o) {
    const auto c = static_cast<std::size_t>(o);
    const Acc<T> slope = a.gamma[c] * inverse_deviation(a.variance[c], a.eps);
    for (std::int64_t i = o * row; i < (o + 1) * row; ++i) {
      a.folded[static_cast<std::size_t>(i)] = a.weight[static_cast<std::size_t>(i)] * slope;
    }
    a.bias[c] = a.beta[c] - a.mean[c] * slope;
  });
}

VOX_INSTANTIATE(IsaQueue, batch_norm_statistics, BatchNormStatisticsArgs);
VOX_INSTANTIATE(IsaQueue, batch_norm_fold, BatchNormFoldArgs);

}  // namespace vox
