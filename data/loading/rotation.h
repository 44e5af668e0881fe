#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace vox {

/// 3x3, row-major, on (D,H,W).
using Matrix3 = std::array<double, 9>;

/// Turns by `degrees` in the plane of axes a and b, from a to b.
[[nodiscard]] inline Matrix3 turn(std::size_t a, std::size_t b, double degrees) {
  const double angle = degrees * std::numbers::pi / 180;
  Matrix3 m{1, 0, 0, 0, 1, 0, 0, 0, 1};
  m[4 * a] = m[4 * b] = std::cos(angle);
  m[3 * a + b] = -std::sin(angle);
  m[3 * b + a] = std::sin(angle);
  return m;
}

[[nodiscard]] inline Matrix3 matrix_product(const Matrix3& x, const Matrix3& y) {
  Matrix3 m{};
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t i = 0; i < 3; ++i) { m[3 * r + c] += x[3 * r + i] * y[3 * i + c]; }
    }
  }
  return m;
}

}  // namespace vox
