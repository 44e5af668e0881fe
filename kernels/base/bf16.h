#pragma once

#include <bit>
#include <cstdint>

#include "kernels/base/host_device.h"

namespace vox {

/// Storage-only bfloat16: load it, compute in float, store it back. No arithmetic on purpose.
struct Bf16 {
  std::uint16_t bits = 0;
};

VOX_HD inline float to_float(Bf16 v) { return std::bit_cast<float>(std::uint32_t{v.bits} << 16U); }

/// Rounds to nearest, ties to even; NaN stays NaN (quietened), infinity stays infinity.
VOX_HD inline Bf16 to_bf16(float v) {
  const auto u = std::bit_cast<std::uint32_t>(v);
  if ((u & 0x7FFFFFFFU) > 0x7F800000U) { return {static_cast<std::uint16_t>((u >> 16U) | 0x40U)}; }
  return {static_cast<std::uint16_t>((u + 0x7FFFU + ((u >> 16U) & 1U)) >> 16U)};
}

/// The type sums are carried in: one wider than bf16, the type itself otherwise.
template <class T> struct AccOf { using type = T; };
template <> struct AccOf<Bf16> { using type = float; };
template <class T> using Acc = typename AccOf<T>::type;

template <class T> VOX_HD inline Acc<T> load(T v) {
  if constexpr (requires { v.bits; }) {
    return to_float(v);
  } else {
    return v;
  }
}
template <class T> VOX_HD inline T store(Acc<T> v) {
  if constexpr (requires(T t) { t.bits; }) {
    return to_bf16(v);
  } else {
    return v;
  }
}

}  // namespace vox
