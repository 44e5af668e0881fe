#include <cassert>

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

/// Those of a block of channels in a group, of the boxes where there are any.
template <class T>
void merge(const BatchNormStatisticsArgs<T>& a, std::int64_t block, std::int64_t group, Moments (&total)[kBlock8]) {
  if (a.boxes.empty()) {
    const std::int64_t cases = a.shape.n / a.groups;
    const auto take = [&](const double* chunk, std::int64_t voxels) {
      for (std::int64_t c = 0; c < kBlock8; ++c) {
        total[c].merge({static_cast<double>(voxels), chunk[c], chunk[kBlock8 + c]});
      }
    };
    return over_partials(a.shape, a.partials, block, group * cases, (group + 1) * cases, take);
  }
  constexpr std::int64_t kBox = 3 * kBlock8;  // count, mean and squared distance of eight lanes
  const std::int64_t boxes = std::ssize(a.boxes) / kBox / a.shape.blocks() / a.groups;
  const std::int64_t first = (block * a.groups + group) * boxes;
  for (std::int64_t i = first; i < first + boxes; ++i) {
    const double* const box = a.boxes.data() + i * kBox;
    for (std::int64_t c = 0; c < kBlock8; ++c) { total[c].merge({box[c], box[kBlock8 + c], box[2 * kBlock8 + c]}); }
  }
}

}  // namespace

template <class T> void batch_norm_statistics(IsaQueue& q, const BatchNormStatisticsArgs<T>& a) {
  if (a.boxes.empty()) { moments_of_chunks(q, a); }
  const auto blend = [m = a.momentum](Acc<T>& running, double batch) {
    running = static_cast<Acc<T>>((1 - m) * static_cast<double>(running) + m * batch);
  };
  parallel_for(q, a.groups * a.shape.blocks(), [&](std::int64_t i) {
    const std::int64_t group = i / a.shape.blocks();
    const std::int64_t block = i % a.shape.blocks();
    Moments total[kBlock8];
    merge(a, block, group, total);
    for (std::int64_t c = 0; c < a.shape.channels_in(block); ++c) {
      const auto channel = static_cast<std::size_t>(block * kBlock8 + c);
      const Moments& m = total[c];
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
