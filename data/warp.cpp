#include "data/warp.h"

#include <algorithm>
#include <array>

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Where output index o of one axis comes from before any rotation; outside [0,size) it is filled with zeros.
std::int64_t source_of(std::int64_t o, std::int64_t size, bool flip, std::int64_t shift) {
  const std::int64_t moved = o - shift;
  return flip ? size - 1 - moved : moved;
}

/// Flips and shifts one volume [D,H,W].
template <class T> void move_rows(std::span<const T> in, const Extent3& size, const Augmentation& a, std::span<T> out) {
  const std::int64_t width = size[2];
  const std::int64_t first = std::clamp<std::int64_t>(a.shift[2], 0, width);         // [first, last) comes from the row
  const std::int64_t last = std::clamp<std::int64_t>(width + a.shift[2], 0, width);  // read, the rest is zero
  for (std::int64_t d = 0; d < size[0]; ++d) {
    const std::int64_t from_d = source_of(d, size[0], a.flip[0], a.shift[0]);
    for (std::int64_t h = 0; h < size[1]; ++h) {
      const std::int64_t from_h = source_of(h, size[1], a.flip[1], a.shift[1]);
      T* const to = out.data() + (d * size[1] + h) * width;
      if (from_d < 0 || from_d >= size[0] || from_h < 0 || from_h >= size[1] || first >= last) {
        std::fill_n(to, width, T{0});
        continue;
      }
      const T* const from = in.data() + (from_d * size[1] + from_h) * width;
      std::fill(to, to + first, T{0});
      std::fill(to + last, to + width, T{0});
      if (a.flip[2]) {
        const std::int64_t end = source_of(first, width, true, a.shift[2]) + 1;
        std::reverse_copy(from + end - (last - first), from + end, to + first);
      } else {
        std::copy_n(from + first - a.shift[2], last - first, to + first);
      }
    }
  }
}

/// A row of output voxels lies on a line through the input: p(w) = origin + w * step, on (D,H,W).
struct Line {
  std::array<float, 3> origin;
  std::array<float, 3> step;
};

Line line_of(const Augmentation& a, const Extent3& size, std::int64_t d, std::int64_t h) {
  const std::array<std::int64_t, 3> out{d, h, 0};
  Line line{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    double p = 0.5 * static_cast<double>(size[axis] - 1);
    for (std::size_t i = 0; i < 3; ++i) {  // R^T: column `axis` of R
      const double centre = 0.5 * static_cast<double>(size[i] - 1);
      p += a.rotation[3 * i + axis] * (static_cast<double>(source_of(out[i], size[i], a.flip[i], a.shift[i])) - centre);
    }
    line.origin[axis] = static_cast<float>(p);
    line.step[axis] = static_cast<float>(a.flip[2] ? -a.rotation[6 + axis] : a.rotation[6 + axis]);
  }
  return line;
}

/// The eight neighbours of a point: offset of the lowest, and the weight of the upper one along each axis.
struct Cell {
  std::array<std::int32_t, 3> low;
  std::array<float, 3> weight;
  bool inside;    ///< all eight lie in the volume
  bool touching;  ///< at least one does
};

/// std::floor is a library call on the oldest x86-64.
std::int32_t floor_of(float x) {
  const auto towards_zero = static_cast<std::int32_t>(x);
  return towards_zero - static_cast<std::int32_t>(static_cast<float>(towards_zero) > x);
}

Cell cell_at(const std::array<float, 3>& p, const Extent3& size) {
  Cell cell{{}, {}, true, true};
  for (std::size_t a = 0; a < 3; ++a) {
    cell.low[a] = floor_of(p[a]);
    cell.weight[a] = p[a] - static_cast<float>(cell.low[a]);
    cell.inside = cell.inside && cell.low[a] >= 0 && cell.low[a] + 1 < size[a];
    cell.touching = cell.touching && cell.low[a] >= -1 && cell.low[a] < size[a];
  }
  return cell;
}

float mix(float low, float high, float weight) { return low + (high - low) * weight; }

/// v: the lowest of eight neighbours that all lie in the volume.
float interpolate(const float* v, std::int64_t row, std::int64_t plane, const std::array<float, 3>& weight) {
  const float low = mix(mix(v[0], v[1], weight[2]), mix(v[row], v[row + 1], weight[2]), weight[1]);
  const float* const u = v + plane;
  const float high = mix(mix(u[0], u[1], weight[2]), mix(u[row], u[row + 1], weight[2]), weight[1]);
  return mix(low, high, weight[0]);
}

/// The same at the border, where neighbours outside count as 0.
float interpolate_at_border(const float* volume, const Extent3& size, const Cell& cell) {
  std::array<float, 8> v{};
  for (std::int32_t corner = 0; corner < 8; ++corner) {
    const std::int64_t d = cell.low[0] + (corner >> 2);
    const std::int64_t h = cell.low[1] + ((corner >> 1) & 1);
    const std::int64_t w = cell.low[2] + (corner & 1);
    const bool there = d >= 0 && d < size[0] && h >= 0 && h < size[1] && w >= 0 && w < size[2];
    v[at(corner)] = there ? volume[(d * size[1] + h) * size[2] + w] : 0.0F;
  }
  return interpolate(v.data(), 2, 4, cell.weight);
}

std::uint8_t nearest(std::span<const std::uint8_t> label, const Extent3& size, const std::array<float, 3>& p) {
  std::array<std::int64_t, 3> i{};
  for (std::size_t a = 0; a < 3; ++a) {
    i[a] = floor_of(p[a] + 0.5F);
    if (i[a] < 0 || i[a] >= size[a]) { return 0; }
  }
  return label[at((i[0] * size[1] + i[1]) * size[2] + i[2])];
}

void rotate(std::span<const float> image, std::span<const std::uint8_t> label, const Extent3& size,
            const Augmentation& a, std::span<float> out_image, std::span<std::uint8_t> out_label) {
  const std::size_t voxels = label.size();
  const std::size_t channels = image.size() / voxels;
  const std::int64_t row = size[2];
  const std::int64_t plane = size[1] * size[2];
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      const Line line = line_of(a, size, d, h);
      for (std::int64_t w = 0; w < row; ++w) {
        std::array<float, 3> p{};
        for (std::size_t i = 0; i < 3; ++i) { p[i] = line.origin[i] + static_cast<float>(w) * line.step[i]; }
        const std::size_t o = at((d * size[1] + h) * row + w);
        const Cell cell = cell_at(p, size);
        const std::int64_t low = cell.low[0] * plane + cell.low[1] * row + cell.low[2];
        for (std::size_t c = 0; c < channels; ++c) {
          const float* const volume = image.data() + c * voxels;
          out_image[c * voxels + o] = cell.inside     ? interpolate(volume + low, row, plane, cell.weight)
                                      : cell.touching ? interpolate_at_border(volume, size, cell)
                                                      : 0.0F;
        }
        out_label[o] = nearest(label, size, p);
      }
    }
  }
}

}  // namespace

void warp(std::span<const float> image, std::span<const std::uint8_t> label, const Extent3& size, const Augmentation& a,
          std::span<float> out_image, std::span<std::uint8_t> out_label) {
  if (a.rotated) {
    rotate(image, label, size, a, out_image, out_label);
    return;
  }
  for (std::size_t first = 0; first < image.size(); first += label.size()) {
    move_rows(image.subspan(first, label.size()), size, a, out_image.subspan(first, label.size()));
  }
  move_rows(label, size, a, out_label);
}

}  // namespace vox
