#include "kernels/batch_norm.h"

#include <array>
#include <cassert>
#include <cmath>

#include "kernels/parallel.h"

namespace vox {
namespace {

constexpr std::int64_t kLanes = 4 * kBlock8;  // running sums of a chunk: four voxels at once hide the adder's latency

template <class A> using Lanes = std::array<A, kBlock8>;

/// The eight values of a block of a [C] vector; padding lanes hold 0.
template <class A> Lanes<A> lanes_of(std::span<const A> values, std::int64_t block) {
  Lanes<A> lanes{};
  const std::int64_t first = block * kBlock8;
  for (std::int64_t c = 0; c < kBlock8 && first + c < std::ssize(values); ++c) {
    lanes[static_cast<std::size_t>(c)] = values[static_cast<std::size_t>(first + c)];
  }
  return lanes;
}

template <class A> void fold(const A (&sums)[kLanes], double (&total)[kBlock8]) {
  for (std::int64_t c = 0; c < kBlock8; ++c) {
    total[c] = 0;
    for (std::int64_t i = c; i < kLanes; i += kBlock8) { total[c] += static_cast<double>(sums[i]); }
  }
}

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

template <class A> A inverse_deviation(A variance, double eps) {
  return static_cast<A>(1 / std::sqrt(static_cast<double>(variance) + eps));
}

/// Sum of dy, and of dy * (x - mean), over a chunk.
template <class T>
void gradient_sums(const T* x, const T* dy, std::int64_t count, const Lanes<Acc<T>>& mean, double* partials) {
  Acc<T> means[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) { means[i] = mean[i % kBlock8]; }
  Acc<T> sum[kLanes]{};
  Acc<T> product[kLanes]{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) {
      sum[j] += load(dy[i + j]);
      product[j] += load(dy[i + j]) * (load(x[i + j]) - means[j]);
    }
  }
  for (std::int64_t j = 0; j < count - i; ++j) {
    sum[j] += load(dy[i + j]);
    product[j] += load(dy[i + j]) * (load(x[i + j]) - means[j]);
  }
  double totals[2][kBlock8];
  fold(sum, totals[0]);
  fold(product, totals[1]);
  std::copy_n(totals[0], kBlock8, partials);
  std::copy_n(totals[1], kBlock8, partials + kBlock8);
}

/// Calls body(n, block, first element, elements) for every chunk.
template <class Body> void for_chunks(const IsaQueue& q, const VolumeShape& s, const Body& body) {
  const VoxelChunks chunks = chunks_of_blocks(s);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t row = chunks.row(i);
    const std::int64_t first = s.offset(row / s.blocks(), row % s.blocks(), chunks.first(i));
    body(i, row % s.blocks(), first, chunks.size(i) * kBlock8);
  });
}

/// Calls body(partials of the chunk, voxels of the chunk) for the chunks of one block, in order.
template <class Body>
void over_partials(const VolumeShape& s, std::span<const double> partials, std::int64_t block, const Body& body) {
  const VoxelChunks chunks = chunks_of_blocks(s);
  for (std::int64_t n = 0; n < s.n; ++n) {
    for (std::int64_t k = 0; k < chunks.per_row(); ++k) {
      const std::int64_t i = (n * s.blocks() + block) * chunks.per_row() + k;
      body(partials.data() + i * 2 * kBlock8, chunks.size(i));
    }
  }
}

}  // namespace

template <class T> void batch_norm_statistics(IsaQueue& q, const BatchNormStatisticsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  assert(std::ssize(a.partials) == batch_norm_partials(s));
  for_chunks(q, s, [&](std::int64_t chunk, std::int64_t, std::int64_t first, std::int64_t count) {
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
  const auto blend = [m = a.momentum](Acc<T>& running, double batch) {
    running = static_cast<Acc<T>>((1 - m) * static_cast<double>(running) + m * batch);
  };
  parallel_for(q, s.blocks(), [&](std::int64_t block) {
    Moments total[kBlock8];
    over_partials(s, a.partials, block, [&](const double* partial, std::int64_t voxels) {
      for (std::int64_t c = 0; c < kBlock8; ++c) {
        total[c].merge({static_cast<double>(voxels), partial[c], partial[kBlock8 + c]});
      }
    });
    for (std::int64_t c = 0; c < s.channels_in(block); ++c) {
      const auto channel = static_cast<std::size_t>(block * kBlock8 + c);
      const Moments& m = total[c];
      a.mean[channel] = static_cast<Acc<T>>(m.mean);
      a.variance[channel] = static_cast<Acc<T>>(m.m2 / m.count);
      blend(a.running_mean[channel], m.mean);
      blend(a.running_variance[channel], m.m2 / (m.count - 1));
    }
  });
}

template <class T> void batch_norm_forward(IsaQueue& q, const BatchNormArgs<T>& a) {
  for_chunks(q, a.shape, [&](std::int64_t, std::int64_t block, std::int64_t first, std::int64_t count) {
    const Lanes<Acc<T>> mean = lanes_of(a.mean, block);
    const Lanes<Acc<T>> beta = lanes_of(a.beta, block);
    Lanes<Acc<T>> slope = lanes_of(a.gamma, block);
    const Lanes<Acc<T>> variance = lanes_of(a.variance, block);
    for (std::size_t c = 0; c < kBlock8; ++c) { slope[c] *= inverse_deviation(variance[c], a.eps); }
    const T* const x = a.x.data() + first;
    T* const y = a.y.data() + first;
    for (std::int64_t i = 0; i < count; i += kBlock8) {
      for (std::size_t c = 0; c < kBlock8; ++c) {
        const auto at = i + static_cast<std::int64_t>(c);
        y[at] = store<T>((load(x[at]) - mean[c]) * slope[c] + beta[c]);
      }
    }
  });
}

template <class T> void batch_norm_backward(IsaQueue& q, const BatchNormGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  assert(std::ssize(a.partials) == batch_norm_partials(s));
  for_chunks(q, s, [&](std::int64_t chunk, std::int64_t block, std::int64_t first, std::int64_t count) {
    gradient_sums(a.x.data() + first, a.dy.data() + first, count, lanes_of(a.mean, block),
                  a.partials.data() + chunk * 2 * kBlock8);
  });
  parallel_for(q, s.blocks(), [&](std::int64_t block) {
    double sum[2 * kBlock8]{};
    over_partials(s, a.partials, block, [&](const double* partial, std::int64_t) {
      for (std::int64_t c = 0; c < 2 * kBlock8; ++c) { sum[c] += partial[c]; }
    });
    for (std::int64_t c = 0; c < s.channels_in(block); ++c) {
      const auto channel = static_cast<std::size_t>(block * kBlock8 + c);
      a.dbeta[channel] = static_cast<Acc<T>>(sum[c]);
      a.dgamma[channel] = static_cast<Acc<T>>(sum[kBlock8 + c]) * inverse_deviation(a.variance[channel], a.eps);
    }
  });
  if (a.dx.empty()) { return; }
  const auto per_value =
      static_cast<Acc<T>>(a.statistics == Statistics::constant ? 0.0 : 1.0 / static_cast<double>(s.n * s.voxels()));
  for_chunks(q, s, [&](std::int64_t, std::int64_t block, std::int64_t first, std::int64_t count) {
    const Lanes<Acc<T>> mean = lanes_of(a.mean, block);
    Lanes<Acc<T>> slope = lanes_of(a.gamma, block);
    Lanes<Acc<T>> offset = lanes_of(std::span<const Acc<T>>(a.dbeta), block);
    Lanes<Acc<T>> pull = lanes_of(std::span<const Acc<T>>(a.dgamma), block);
    const Lanes<Acc<T>> variance = lanes_of(a.variance, block);
    for (std::size_t c = 0; c < kBlock8; ++c) {
      const Acc<T> inverse = inverse_deviation(variance[c], a.eps);
      slope[c] *= inverse;
      offset[c] *= per_value;
      pull[c] *= per_value * inverse;
    }
    const T* const x = a.x.data() + first;
    const T* const dy = a.dy.data() + first;
    T* const dx = a.dx.data() + first;
    for (std::int64_t i = 0; i < count; i += kBlock8) {
      for (std::size_t c = 0; c < kBlock8; ++c) {
        const auto at = i + static_cast<std::int64_t>(c);
        dx[at] = store<T>(slope[c] * (load(dy[at]) - offset[c] - (load(x[at]) - mean[c]) * pull[c]));
      }
    }
  });
}

VOX_INSTANTIATE(IsaQueue, batch_norm_statistics, BatchNormStatisticsArgs);
VOX_INSTANTIATE(IsaQueue, batch_norm_forward, BatchNormArgs);
VOX_INSTANTIATE(IsaQueue, batch_norm_backward, BatchNormGradArgs);

}  // namespace vox
