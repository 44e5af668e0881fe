#pragma once

#include <algorithm>

#include "kernels/base/bf16.h"
#include "kernels/conv3d.h"
#include "kernels/cpu/simd/lanes.h"

namespace vox {
namespace {

/// A box of a block of channels: planes of rows of voxels, all of whose values are there.
template <class T> struct FinishedBox {
  T* first;
  std::int64_t planes;
  std::int64_t rows;
  std::int64_t width;   ///< voxels of a row
  std::int64_t plane;   ///< elements from one plane to the next
  std::int64_t row;     ///< and from row to row
  std::int64_t block;   ///< of channels: which
  std::int64_t number;  ///< of the box, in [0,boxes)
  std::int64_t boxes;   ///< conv3d_boxes()
};

/// Calls body(row, elements of it).
template <class T, class Body>
[[gnu::always_inline]] inline void over_rows(const FinishedBox<T>& box, const Body& body) {
  for (std::int64_t p = 0; p < box.planes; ++p) {
    for (std::int64_t r = 0; r < box.rows; ++r) { body(box.first + p * box.plane + r * box.row, box.width * kBlock8); }
  }
}

/// Count, mean and squared distance from it, about a rough mean: that of the first row. Each row is summed in the
/// accumulator type, the rows in double.
template <class T> void box_moments(const FinishedBox<T>& box, double* out) {
  using A = Acc<T>;
  constexpr std::int64_t kSums = 4;  // of neighbouring voxels: they hide the adder's latency
  Lanes<A> v;
  Lanes<A> about{};
  for (std::int64_t w = 0; w < box.width; ++w) {
    load_lanes(box.first + w * kBlock8, v);
    about += v;
  }
  about /= static_cast<A>(box.width);
  double sum[kBlock8]{};
  double square[kBlock8]{};
  over_rows(box, [&](const T* row, std::int64_t count) {
    Lanes<A> sums[kSums]{};
    Lanes<A> squares[kSums]{};
    const auto take = [&](std::int64_t i, std::int64_t k) {
      Lanes<A> d;
      load_lanes(row + i + k * kBlock8, d);
      d -= about;
      sums[k] += d;
      squares[k] += d * d;
    };
    std::int64_t i = 0;
    for (; i + kSums * kBlock8 <= count; i += kSums * kBlock8) {
      for (std::int64_t k = 0; k < kSums; ++k) { take(i, k); }
    }
    for (; i < count; i += kBlock8) { take(i, 0); }
    const Lanes<A> of_row = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    const Lanes<A> squares_of_row = (squares[0] + squares[1]) + (squares[2] + squares[3]);
    for (std::int64_t c = 0; c < kBlock8; ++c) {
      sum[c] += static_cast<double>(of_row[c]);
      square[c] += static_cast<double>(squares_of_row[c]);
    }
  });
  const auto count = static_cast<double>(box.planes * box.rows * box.width);
  for (std::int64_t c = 0; c < kBlock8; ++c) {
    out[c] = count;
    out[kBlock8 + c] = static_cast<double>(about[c]) + sum[c] / count;
    out[2 * kBlock8 + c] = square[c] - sum[c] * sum[c] / count;
  }
}

template <class T> void box_relu(const FinishedBox<T>& box) {
  over_rows(box, [](T* row, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const Acc<T> x = load(row[i]);
      row[i] = store<T>(x <= 0 ? Acc<T>{0} : x);
    }
  });
}

/// What every algorithm with boxes calls when it has written one.
template <class T> void finish_box(const Conv3dEpilogue& e, const FinishedBox<T>& box) {
  if (e.relu) { box_relu(box); }
  if (!e.moments.empty()) { box_moments(box, e.moments.data() + (box.block * box.boxes + box.number) * kBoxMoments); }
}

}  // namespace
}  // namespace vox
