#pragma once

#include <algorithm>
#include <cmath>

namespace vox {
namespace {

constexpr double kUsualGamma = 2;  // of the paper; a multiplication instead of std::pow

/// The focal term of one voxel and its derivative, in the accumulator type.
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

 private:
  [[nodiscard]] static A power(A base, A exponent) {
    if (exponent == static_cast<A>(kUsualGamma)) { return base * base; }
    if (exponent == static_cast<A>(kUsualGamma - 1)) { return base; }
    return std::pow(base, exponent);
  }
};

template <class A> Focal<A> focal_of(double gamma, double clip) {
  return {static_cast<A>(gamma), static_cast<A>(clip), static_cast<A>(1 - clip)};
}

}  // namespace
}  // namespace vox
