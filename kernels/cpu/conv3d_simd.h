#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/queue.h"

// The compiler's vectors, in the width of the instruction set this file is compiled for. Everything here is inlined or
// internal to the file: a function the linker could share between instruction sets would be a trap.

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

template <class V, class A> [[gnu::always_inline]] inline V load_vector(const A* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
template <class V, class A> [[gnu::always_inline]] inline void store_vector(A* to, const V& v) {
  __builtin_memcpy(to, &v, sizeof v);
}

/// Calls body(0), …, body(N-1) with constants, so that arrays indexed by them live in registers.
template <int N, class Body> [[gnu::always_inline]] inline void unrolled(const Body& body) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (body(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

}  // namespace
}  // namespace vox
