#pragma once

#include "kernels/cpu/simd/vector.h"

namespace vox {
namespace {

/// sums[8] += the sum of `count` vectors.
template <class A> VOX_TILE void add_vectors(const A* from, std::int64_t count, std::int64_t step, A* sums) {
  Registers<A, 8, 4> acc = {};
  load_vector(acc[0], sums);
  std::int64_t i = 0;
  const auto add = [&](auto to) VOX_INLINED {
    Vector<A, 8> v;
    load_vector(v, from + (i + to) * step);
    acc[to] += v;
  };
  for (; i + 4 <= count; i += 4) { unrolled<4>(add); }
  for (; i < count; ++i) { add(std::integral_constant<int, 0>{}); }
  store_vector(sums, (acc[0] + acc[1]) + (acc[2] + acc[3]));
}

/// sum[f][o] += the sum over rows and windows t of x[row*x_row + t*run + f] * y[(row*width + t)*columns + o].
template <class A> struct GemmGradArgs {
  const A* x;
  const A* y;
  A* sum;
  std::int64_t rows;
  std::int64_t width;
  std::int64_t run;
  std::int64_t x_row;
  std::int64_t columns;
  const A* fetch;        ///< what the next tiles read
  std::int64_t fetched;  ///< elements
};
template <class A, int Lanes, int Vectors, int Channels> VOX_TILE void gemm_grad_tile(const GemmGradArgs<A>& a) {
  Registers<A, Lanes, Channels * Vectors> acc;
  const auto sum_at = [&](auto i) VOX_INLINED { return a.sum + i / Vectors * a.columns + i % Vectors * Lanes; };
  unrolled<Channels * Vectors>([&](auto i) VOX_INLINED { load_vector(acc[i], sum_at(i)); });
  const A* y = a.y;
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(A));
  for (std::int64_t i = 0; i < a.fetched; i += kLine) { __builtin_prefetch(a.fetch + i, 0, 3); }
  for (std::int64_t row = 0; row < a.rows; ++row) {
    const A* x = a.x + row * a.x_row;
    const A* const end = y + a.width * a.columns;
    for (; y != end; y += a.columns, x += a.run) {
      Registers<A, Lanes, Vectors> gradient;
      unrolled<Vectors>([&](auto v) VOX_INLINED { load_vector(gradient[v], y + v * Lanes); });
      unrolled<Channels>([&](auto c) VOX_INLINED {
        const A value = x[c];
        unrolled<Vectors>([&](auto v) VOX_INLINED { acc[c * Vectors + v] += value * gradient[v]; });
      });
    }
  }
  unrolled<Channels * Vectors>([&](auto i) VOX_INLINED { store_vector(sum_at(i), acc[i]); });
}

}  // namespace
}  // namespace vox
