#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/cpu/simd/exp.h"

namespace vox {
namespace {

constexpr double kUsualGamma = 2;  // of the paper; a multiplication instead of std::pow

/// The focal term of a voxel and its derivative, in the accumulator type.
template <class A> struct Focal {
  A gamma;
  A lowest;
  A highest;

  [[nodiscard]] A value(A p) const {
    const A clipped = std::clamp(p, lowest, highest);
    return -power(1 - clipped, gamma) * std::log(clipped);
  }
  [[nodiscard]] A slope(A p) const {
    if (p < lowest || p > highest) { return 0; }
    return gamma * power(1 - p, gamma - 1) * std::log(p) - power(1 - p, gamma) / p;
  }

  /// The same for a vector of voxels: p = value(p), and p = p * slope(p).
  template <class V> [[gnu::always_inline]] void to_value(V& p) const {
    V log = p < lowest ? V{} + lowest : p;
    log = log > highest ? V{} + highest : log;
    V factor = 1 - log;
    to_power(factor, gamma);
    log_positive(log);
    p = -factor * log;
  }
  template <class V> [[gnu::always_inline]] void to_slope_times_p(V& p) const {
    V falling = 1 - p;
    V factor = falling;
    to_power(falling, gamma);
    to_power(factor, gamma - 1);
    V log = p;
    log_positive(log);
    p = ((p < lowest) | (p > highest)) ? V{} : gamma * factor * p * log - falling;
  }

 private:
  [[nodiscard]] static A power(A base, A exponent) {
    if (exponent == static_cast<A>(kUsualGamma)) { return base * base; }
    if (exponent == static_cast<A>(kUsualGamma - 1)) { return base; }
    return std::pow(base, exponent);
  }
  template <class V> [[gnu::always_inline]] static void to_power(V& base, A exponent) {
    if (exponent == static_cast<A>(kUsualGamma)) {
      base *= base;
    } else if (exponent != static_cast<A>(kUsualGamma - 1)) {
      V copy = base;  // so that base itself may stay in a register
      to_any_power(copy, exponent);
      base = copy;
    }
  }
  template <class V> [[gnu::noinline]] static void to_any_power(V& base, A exponent) {
    each_lane(base, [exponent](A x) { return std::pow(x, exponent); });
  }
};

template <class A> Focal<A> focal_of(double gamma, double clip) {
  return {static_cast<A>(gamma), static_cast<A>(clip), static_cast<A>(1 - clip)};
}

}  // namespace
}  // namespace vox
