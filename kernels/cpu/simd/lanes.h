#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/base/bf16.h"
#include "kernels/base/volume.h"

// The eight channels of a block at one voxel, as one value. The compiler's vector extension: + - * / and ?: work lane
// by lane, on any instruction set, where plain loops over eight lanes often stay scalar. Internal to each file, so that
// no two instruction sets share a function.

namespace vox {
namespace {

template <class A, std::size_t kLanes> struct LanesOf {
  typedef A type __attribute__((vector_size(kLanes * sizeof(A))));  // NOLINT: using cannot carry the attribute
};
template <class A> using Lanes = typename LanesOf<A, kBlock8>::type;

/// What a lane of V holds, and vectors of other lanes, as many as V has.
template <class V> using LaneOf = std::remove_cvref_t<decltype(std::declval<V>()[0])>;
template <class V, class E> using Like = typename LanesOf<E, sizeof(V) / sizeof(LaneOf<V>)>::type;

/// What comparing Lanes<A> gives: -1 where true, 0 where false, as wide as A.
template <class A> using LaneInt = std::conditional_t<sizeof(A) == 8, std::int64_t, std::int32_t>;
template <class A> using LaneMask = Lanes<LaneInt<A>>;

/// As many elements as v has lanes, which may be more or fewer than a block's eight.
template <class T, class V> [[gnu::always_inline]] inline void load_lanes(const T* from, V& v) {
  if constexpr (std::is_same_v<T, Bf16>) {
    Like<V, std::uint16_t> bits;
    __builtin_memcpy(&bits, from, sizeof bits);
    const auto wide = __builtin_convertvector(bits, Like<V, std::uint32_t>) << 16U;
    __builtin_memcpy(&v, &wide, sizeof v);
  } else {
    __builtin_memcpy(&v, from, sizeof v);
  }
}

/// Rounds as store<T>() does.
template <class T, class V> [[gnu::always_inline]] inline void store_lanes(T* to, const V& v) {
  if constexpr (std::is_same_v<T, Bf16>) {
    Like<V, std::uint32_t> u;
    __builtin_memcpy(&u, &v, sizeof u);
    const Like<V, std::uint32_t> rounded = (u + 0x7FFFU + ((u >> 16U) & 1U)) >> 16U;
    const Like<V, std::uint32_t> quiet_nan = (u >> 16U) | 0x40U;
    const auto bits =
        __builtin_convertvector((u & 0x7FFFFFFFU) > 0x7F800000U ? quiet_nan : rounded, Like<V, std::uint16_t>);
    __builtin_memcpy(static_cast<void*>(to), &bits, sizeof bits);
  } else {
    __builtin_memcpy(to, &v, sizeof v);
  }
}

template <class A> [[gnu::always_inline]] inline void fill_lanes(A value, Lanes<A>& v) { v = Lanes<A>{} + value; }

/// a where a >= b or a is NaN, else b, lane by lane.
template <class V> [[gnu::always_inline]] inline void raise_to(const V& b, V& a) { a = a < b ? b : a; }

/// All eight lanes become the largest of them.
template <class V> [[gnu::always_inline]] inline void spread_largest(V& v) {
  raise_to<V>(__builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3), v);
  raise_to<V>(__builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5), v);
  raise_to<V>(__builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6), v);
}
/// All eight lanes become their sum.
template <class V> [[gnu::always_inline]] inline void spread_sum(V& v) {
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
  v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
}

}  // namespace
}  // namespace vox
