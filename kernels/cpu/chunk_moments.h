#pragma once

#include "kernels/base/moments.h"
#include "kernels/cpu/chunk_lanes.h"

// Mean and variance of the lanes of a block, chunk by chunk: each chunk about its own mean, chunks merged in double.

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

/// Mean of a chunk, eight lanes, and after them its squared distance from it. count is a multiple of eight.
template <class T> void moments_of_chunk(const T* x, std::int64_t count, double* out) {
  const Lanes<Acc<T>> about = rough_mean(x, count);
  double sum[kBlock8];
  double square[kBlock8];
  centred_sums(x, count, about, sum, square);
  const double voxels = static_cast<double>(count) / kBlock8;
  for (std::size_t c = 0; c < kBlock8; ++c) {
    out[c] = static_cast<double>(about[c]) + sum[c] / voxels;
    out[kBlock8 + c] = square[c] - sum[c] * sum[c] / voxels;
  }
}

}  // namespace
}  // namespace vox
