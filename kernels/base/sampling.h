#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/base/augmentation.h"
#include "kernels/base/host_device.h"
#include "kernels/base/product.h"

/// Where a moved voxel comes from and what lies there: the arithmetic that CPU and GPU share, bit for bit.
namespace vox {

/// Where output index o of one axis comes from before any rotation; outside [0,size) it is filled with zeros.
VOX_HD constexpr std::int64_t source_of(std::int64_t o, std::int64_t size, bool flip, std::int64_t shift) {
  const std::int64_t moved = o - shift;
  return flip ? size - 1 - moved : moved;
}

/// A row of output voxels lies on a line through the input: p(w) = origin + w * step, on (D,H,W).
struct SampleLine {
  std::array<float, 3> origin;
  std::array<float, 3> step;

  [[nodiscard]] VOX_HD float at(std::size_t axis, std::int32_t w) const {
    return origin[axis] + product(static_cast<float>(w), step[axis]);
  }
};

/// The line of row (d, h) of an output of `size`.
VOX_HD inline SampleLine line_of(const Movement& m, const std::array<std::int64_t, 3>& size, std::int64_t d,
                                 std::int64_t h) {
  const std::array<std::int64_t, 3> out{d, h, 0};
  SampleLine line{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    double p = 0.5 * static_cast<double>(size[axis] - 1);
    for (std::size_t i = 0; i < 3; ++i) {  // R^T: column `axis` of R
      const double centre = 0.5 * static_cast<double>(size[i] - 1);
      const auto source = static_cast<double>(source_of(out[i], size[i], m.flip[i], m.shift[i]));
      p += product(m.rotation[3 * i + axis], source - centre);
    }
    line.origin[axis] = static_cast<float>(p);
    line.step[axis] = static_cast<float>(m.flip[2] ? -m.rotation[6 + axis] : m.rotation[6 + axis]);
  }
  return line;
}

/// std::floor is a library call on the oldest x86-64.
VOX_HD inline std::int32_t floor_of(float x) {
  const auto towards_zero = static_cast<std::int32_t>(x);
  return towards_zero - static_cast<std::int32_t>(static_cast<float>(towards_zero) > x);
}

template <class V> VOX_HD inline V mix(V low, V high, V weight) { return low + product(high - low, weight); }

/// Between eight neighbours, of which v is the lowest; weight: of the upper ones.
VOX_HD inline float interpolate(const float* v, std::int64_t row, std::int64_t plane,
                                const std::array<float, 3>& weight) {
  const float low = mix(mix(v[0], v[1], weight[2]), mix(v[row], v[row + 1], weight[2]), weight[1]);
  const float* const u = v + plane;
  const float high = mix(mix(u[0], u[1], weight[2]), mix(u[row], u[row + 1], weight[2]), weight[1]);
  return mix(low, high, weight[0]);
}

}  // namespace vox
