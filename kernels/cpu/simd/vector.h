#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/base/queue.h"

// The compiler's vectors, in the width of the instruction set this file is compiled for. Everything here is inlined or
// internal to the file: a function the linker could share between instruction sets would be a trap.

// A sanitizer's checks of every register of an unrolled tile would take minutes to compile: tiles go without.
#define VOX_UNCHECKED no_sanitize("address", "thread", "undefined")
#define VOX_INLINED __attribute__((always_inline, VOX_UNCHECKED))
#define VOX_TILE __attribute__((noinline, VOX_UNCHECKED))

namespace vox {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kRegisters = 16;
#else
constexpr int kVectorBytes = 16;
constexpr int kRegisters = 16;
#endif

template <class A, int Lanes> struct VectorOf {
  typedef A type __attribute__((vector_size(Lanes * sizeof(A))));  // NOLINT: using cannot carry the attribute
};
template <class A, int Lanes> using Vector = typename VectorOf<A, Lanes>::type;

/// Vectors meant for registers: index them with constants only.
template <class A, int Lanes, int Count> using Registers = Vector<A, Lanes>[static_cast<std::size_t>(Count)];

// Vectors travel by reference: to return one wider than the instruction set's own changes the ABI.
template <class V, class A> VOX_INLINED inline void load_vector(V& v, const A* from) {
  __builtin_memcpy(&v, from, sizeof v);
}
template <class V, class A> VOX_INLINED inline void store_vector(A* to, const V& v) {
  __builtin_memcpy(to, &v, sizeof v);
}

/// Stops the compiler from loading v again for each use, which ties up the load ports.
template <class V> VOX_INLINED inline void keep_in_register(V& v) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(v));
#elif defined(__SSE2__)
  __asm__("" : "+x"(v));
#else
  static_cast<void>(v);
#endif
}

/// Calls body(0), …, body(N-1) with constants, so that arrays indexed by them live in registers.
template <int N, class Body> VOX_INLINED inline void unrolled(const Body& body) {
  [&]<int... I>(std::integer_sequence<int, I...>) VOX_INLINED { (body(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

/// Sixteen or fewer channels whose blocks of eight lie `block` elements apart.
template <class A, int Lanes>
VOX_INLINED inline void load_channels(Vector<A, Lanes>& v, const A* from, std::int64_t block) {
  if constexpr (Lanes <= 8) {
    load_vector(v, from);
  } else {
    Vector<A, 8> low;
    Vector<A, 8> high;
    load_vector(low, from);
    load_vector(high, from + block);
    v = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
}
template <class A, int Lanes>
VOX_INLINED inline void store_channels(A* to, std::int64_t block, const Vector<A, Lanes>& v) {
  if constexpr (Lanes <= 8) {
    store_vector(to, v);
  } else {
    store_vector(to, __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7));
    store_vector(to + block, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
  }
}

/// Columns of eight rows: column j of the result is row j of `row`.
template <class A> VOX_INLINED inline void transpose8(Vector<A, 8> (&row)[8]) {
  Vector<A, 8> pair[8];
  unrolled<4>([&](auto i) VOX_INLINED {
    pair[2 * i] = __builtin_shufflevector(row[2 * i], row[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    pair[2 * i + 1] = __builtin_shufflevector(row[2 * i], row[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  });
  Vector<A, 8> four[8];
  unrolled<4>([&](auto i) VOX_INLINED {
    constexpr int kFirst = i / 2 * 4 + i % 2;
    four[kFirst] = __builtin_shufflevector(pair[kFirst], pair[kFirst + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    four[kFirst + 2] = __builtin_shufflevector(pair[kFirst], pair[kFirst + 2], 2, 3, 10, 11, 6, 7, 14, 15);
  });
  unrolled<4>([&](auto i) VOX_INLINED {
    row[i] = __builtin_shufflevector(four[i], four[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    row[i + 4] = __builtin_shufflevector(four[i], four[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  });
}

}  // namespace
}  // namespace vox
