#include <cassert>

#include "kernels/cpu/batch_norm_chunks.h"

namespace vox {
namespace {

/// Sum over a chunk of f and g, lane by lane. count is a multiple of eight; shift is repeated every eight lanes.
template <class T>
void centred_sums(const T* x, std::int64_t count, const Lanes<Acc<T>>& shift, double (&first)[kBlock8],
                  double (&second)[kBlock8]) {
  Acc<T> shifts[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) { shifts[i] = shift[i % kBlock8]; }
  Acc<T> sum[kLanes]{};
  Acc<T> square[kLanes]{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) {
      const Acc<T> d = load(x[i + j]) - shifts[j];
      sum[j] += d;
      square[j] += d * d;
    }
  }
  for (std::int64_t j = 0; j < count - i; ++j) {
    const Acc<T> d = load(x[i + j]) - shifts[j];
    sum[j] += d;
    square[j] += d * d;
  }
  fold(sum, first);
  fold(square, second);
}

template <class T> Lanes<Acc<T>> rough_mean(const T* x, std::int64_t count) {
  Acc<T> sum[kLanes]{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) { sum[j] += load(x[i + j]); }
  }
  for (std::int64_t j = 0; j < count - i; ++j) { sum[j] += load(x[i + j]); }
  double total[kBlock8];
  fold(sum, total);
  Lanes<Acc<T>> mean;
  for (std::size_t c = 0; c < kBlock8; ++c) {
    mean[c] = static_cast<Acc<T>>(total[c] * kBlock8 / static_cast<double>(count));
  }
  return mean;
}

/// Number of values, their mean and their squared distance from it.
struct Moments {
  double count = 0;
  double mean = 0;
  double m2 = 0;

  void merge(const Moments& b) {
    const double both = count + b.count;
    const double step = b.mean - mean;
    m2 += b.m2 + step * step * count * b.count / both;
    mean += step * b.count / both;
    count = both;
  }
};

/// Mean of each chunk and squared distance from it, in order of the chunks.
template <class T> void moments_of_chunks(const IsaQueue& q, const BatchNormStatisticsArgs<T>& a) {
  assert(std::ssize(a.partials) == batch_norm_partials(a.shape));
  for_chunks(q, a.shape, [&](std::int64_t chunk, std::int64_t, std::int64_t first, std::int64_t count) {
    const T* const x = a.x.data() + first;
    const Lanes<Acc<T>> about = rough_mean(x, count);
    double sum[kBlock8];
    double square[kBlock8];
    centred_sums(x, count, about, sum, square);
    double* const out = a.partials.data() + chunk * 2 * kBlock8;
    const double voxels = static_cast<double>(count) / kBlock8;
    for (std::size_t c = 0; c < kBlock8; ++c) {
      out[c] = static_cast<double>(about[c]) + sum[c] / voxels;
      out[kBlock8 + c] = square[c] - sum[c] * sum[c] / voxels;
    }
  });
}

/// Those of a block of channels, of the boxes where there are any.
template <class T> void merge(const BatchNormStatisticsArgs<T>& a, std::int64_t block, Moments (&total)[kBlock8]) {
  if (a.boxes.empty()) {
    over_partials(a.shape, a.partials, block, [&](const double* chunk, std::int64_t voxels) {
      for (std::int64_t c = 0; c < kBlock8; ++c) {
        total[c].merge({static_cast<double>(voxels), chunk[c], chunk[kBlock8 + c]});
      }
    });
    return;
  }
  constexpr std::int64_t kBox = 3 * kBlock8;  // count, mean and squared distance of eight lanes
  const std::int64_t boxes = std::ssize(a.boxes) / kBox / a.shape.blocks();
  for (std::int64_t i = block * boxes; i < (block + 1) * boxes; ++i) {
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
  parallel_for(q, a.shape.blocks(), [&](std::int64_t block) {
    Moments total[kBlock8];
    merge(a, block, total);
    for (std::int64_t c = 0; c < a.shape.channels_in(block); ++c) {
      const auto channel = static_cast<std::size_t>(block * kBlock8 + c);
      const Moments& m = total[c];
      a.mean[channel] = static_cast<Acc<T>>(m.mean);
      a.variance[channel] = static_cast<Acc<T>>(m.m2 / m.count);
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
