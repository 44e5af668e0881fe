#include "kernels/instance_norm.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/chunk_moments.h"
#include "kernels/cpu/simd/stream.h"

namespace vox {
namespace {

/// A row is a block of channels of a case. Its eight values, repeated for a piece of kLanes elements.
template <class A, class Value> void repeat(A (&piece)[kLanes], const Value& value_of_lane) {
  for (std::int64_t i = 0; i < kLanes; ++i) { piece[i] = value_of_lane(i % kBlock8); }
}

/// gamma of a block, 1 where there is none.
template <class A> Lanes<A> gamma_of(std::span<const A> gamma, std::int64_t block) {
  if (!gamma.empty()) { return lanes_of(gamma, block); }
  Lanes<A> ones;
  ones.fill(1);
  return ones;
}

/// Calls body(i, size) for pieces of kLanes elements, but for the last one. count is a multiple of eight.
template <class Body> [[gnu::always_inline]] inline void over_pieces(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) { body(i, std::integral_constant<std::int64_t, kLanes>{}); }
  if (i < count) { body(i, count - i); }
}

/// Sum over a chunk of dy and of dy * (x - mean).
template <class T>
void gradient_sums(const T* x, const T* dy, std::int64_t count, const Acc<T>* mean_of_lane, double* partials) {
  using A = Acc<T>;
  A mean[kLanes];
  repeat(mean, [&](std::int64_t lane) { return mean_of_lane[lane]; });
  A sum[kLanes]{};
  A product[kLanes]{};
  over_pieces(count, [&](std::int64_t i, auto size) {
    for (std::int64_t j = 0; j < size; ++j) {
      const A d = load(dy[i + j]);
      sum[j] += d;
      product[j] += d * (load(x[i + j]) - mean[j]);
    }
  });
  double totals[2][kBlock8];
  fold(sum, totals[0]);
  fold(product, totals[1]);
  std::copy_n(totals[0], kBlock8, partials);
  std::copy_n(totals[1], kBlock8, partials + kBlock8);
}

/// Where the sums of a row are kept, behind those of the chunks.
template <class Args> double* sums_of_row(const Args& a, std::int64_t row) {
  return a.partials.data() + (chunks_of_blocks(a.shape).count() + row) * 2 * kBlock8;
}

template <class T> void sums_of_gradient(const IsaQueue& q, const InstanceNormGradArgs<T>& a) {
  const VoxelChunks chunks = chunks_of_blocks(a.shape);
  assert(std::ssize(a.partials) == instance_norm_partials(a.shape));
  for_chunks(q, a.shape, [&](std::int64_t chunk, std::int64_t, std::int64_t first, std::int64_t count) {
    gradient_sums(a.x.data() + first, a.dy.data() + first, count, a.mean.data() + chunks.row(chunk) * kBlock8,
                  a.partials.data() + chunk * 2 * kBlock8);
  });
  parallel_for(q, chunks.rows, [&](std::int64_t row) {
    double* const sums = sums_of_row(a, row);
    std::fill_n(sums, 2 * kBlock8, 0.0);
    for (std::int64_t chunk = row * chunks.per_row(); chunk < (row + 1) * chunks.per_row(); ++chunk) {
      const double* const partial = a.partials.data() + chunk * 2 * kBlock8;
      for (std::int64_t i = 0; i < 2 * kBlock8; ++i) { sums[i] += partial[i]; }
    }
  });
}

/// dgamma and dbeta, from the sums of rows.
template <class T> void gradients_of_parameters(const InstanceNormGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  for (std::int64_t c = 0; c < s.c; ++c) {
    const std::int64_t lane = c % kBlock8;
    double dgamma = 0;
    double dbeta = 0;
    for (std::int64_t row = c / kBlock8; row < s.n * s.blocks(); row += s.blocks()) {
      const double* const sums = sums_of_row(a, row);
      dbeta += sums[lane];
      dgamma += sums[kBlock8 + lane] * static_cast<double>(a.inverse[static_cast<std::size_t>(row * kBlock8 + lane)]);
    }
    if (!a.dgamma.empty()) { a.dgamma[static_cast<std::size_t>(c)] = static_cast<Acc<T>>(dgamma); }
    if (!a.dbeta.empty()) { a.dbeta[static_cast<std::size_t>(c)] = static_cast<Acc<T>>(dbeta); }
  }
}

template <class T> void gradient_of_x(const IsaQueue& q, const InstanceNormGradArgs<T>& a) {
  using A = Acc<T>;
  const VoxelChunks chunks = chunks_of_blocks(a.shape);
  const double per_voxel = 1.0 / static_cast<double>(a.shape.voxels());
  for_chunks(q, a.shape, [&](std::int64_t chunk, std::int64_t block, std::int64_t first, std::int64_t count) {
    const std::int64_t row = chunks.row(chunk);
    const double* const sums = sums_of_row(a, row);
    const A* const mean_of_lane = a.mean.data() + row * kBlock8;
    const A* const inverse = a.inverse.data() + row * kBlock8;
    const Lanes<A> gamma = gamma_of(a.gamma, block);
    A mean[kLanes];
    A slope[kLanes];
    A offset[kLanes];
    A pull[kLanes];
    repeat(mean, [&](std::int64_t lane) { return mean_of_lane[lane]; });
    repeat(slope, [&](std::int64_t lane) { return gamma[static_cast<std::size_t>(lane)] * inverse[lane]; });
    repeat(offset, [&](std::int64_t lane) { return static_cast<A>(sums[lane] * per_voxel); });
    repeat(pull, [&](std::int64_t lane) {
      const auto inverse_deviation = static_cast<double>(inverse[lane]);
      return static_cast<A>(sums[kBlock8 + lane] * per_voxel * inverse_deviation * inverse_deviation);
    });
    const T* const x = a.x.data() + first;
    const T* const dy = a.dy.data() + first;
    T* const dx = a.dx.data() + first;
    over_pieces(count, [&](std::int64_t i, auto size) {
      for (std::int64_t j = 0; j < size; ++j) {
        const A centred = load(x[i + j]) - mean[j];
        dx[i + j] = store<T>(slope[j] * (load(dy[i + j]) - offset[j] - centred * pull[j]));
      }
    });
  });
}

}  // namespace

template <class T> void instance_norm_statistics(IsaQueue& q, const InstanceNormStatisticsArgs<T>& a) {
  const VoxelChunks chunks = chunks_of_blocks(a.shape);
  assert(std::ssize(a.partials) == instance_norm_partials(a.shape));
  for_chunks(q, a.shape, [&](std::int64_t chunk, std::int64_t, std::int64_t first, std::int64_t count) {
    moments_of_chunk(a.x.data() + first, count, a.partials.data() + chunk * 2 * kBlock8);
  });
  parallel_for(q, chunks.rows, [&](std::int64_t row) {
    Moments total[kBlock8];
    for (std::int64_t chunk = row * chunks.per_row(); chunk < (row + 1) * chunks.per_row(); ++chunk) {
      const double* const of = a.partials.data() + chunk * 2 * kBlock8;
      const auto voxels = static_cast<double>(chunks.size(chunk));
      for (std::int64_t c = 0; c < kBlock8; ++c) { total[c].merge({voxels, of[c], of[kBlock8 + c]}); }
    }
    const std::int64_t present = a.shape.channels_in(row % a.shape.blocks());
    for (std::int64_t c = 0; c < kBlock8; ++c) {
      const auto at = static_cast<std::size_t>(row * kBlock8 + c);
      const double variance = total[c].m2 / total[c].count;
      a.mean[at] = c < present ? static_cast<Acc<T>>(total[c].mean) : Acc<T>{0};
      a.inverse[at] = c < present ? static_cast<Acc<T>>(1 / std::sqrt(variance + a.eps)) : Acc<T>{0};
    }
  });
}

template <class T> void instance_norm_forward(IsaQueue& q, const InstanceNormArgs<T>& a) {
  using A = Acc<T>;
  const VoxelChunks chunks = chunks_of_blocks(a.shape);
  const bool streams = a.y.data() != a.x.data() && streams_to(a.y.data(), std::ssize(a.y), kStreamedBytes);
  for_chunks(q, a.shape, [&](std::int64_t chunk, std::int64_t block, std::int64_t first, std::int64_t count) {
    const A* const mean_of_lane = a.mean.data() + chunks.row(chunk) * kBlock8;
    const A* const inverse = a.inverse.data() + chunks.row(chunk) * kBlock8;
    const Lanes<A> gamma = gamma_of(a.gamma, block);
    const Lanes<A> beta_of_lane = lanes_of(a.beta, block);
    A mean[kLanes];
    A slope[kLanes];
    A beta[kLanes];
    repeat(mean, [&](std::int64_t lane) { return mean_of_lane[lane]; });
    repeat(slope, [&](std::int64_t lane) { return gamma[static_cast<std::size_t>(lane)] * inverse[lane]; });
    repeat(beta, [&](std::int64_t lane) { return beta_of_lane[static_cast<std::size_t>(lane)]; });
    const T* const x = a.x.data() + first;
    T* const y = a.y.data() + first;
    const bool streamed = streams && first % (64 / std::int64_t{sizeof(T)}) == 0;
    over_pieces(count, [&](std::int64_t i, auto size) {
      T stored[kLanes];
      for (std::int64_t j = 0; j < size; ++j) { stored[j] = store<T>((load(x[i + j]) - mean[j]) * slope[j] + beta[j]); }
      if (streamed && size == kLanes) {
        stream(y + i, stored);
      } else {
        std::memcpy(static_cast<void*>(y + i), stored, static_cast<std::size_t>(size) * sizeof(T));
      }
    });
    if (streamed) { end_stream(); }
  });
}

template <class T> void instance_norm_backward(IsaQueue& q, const InstanceNormGradArgs<T>& a) {
  sums_of_gradient(q, a);
  gradients_of_parameters(a);
  if (!a.dx.empty()) { gradient_of_x(q, a); }
}

VOX_INSTANTIATE(IsaQueue, instance_norm_statistics, InstanceNormStatisticsArgs);
VOX_INSTANTIATE(IsaQueue, instance_norm_forward, InstanceNormArgs);
VOX_INSTANTIATE(IsaQueue, instance_norm_backward, InstanceNormGradArgs);

}  // namespace vox
