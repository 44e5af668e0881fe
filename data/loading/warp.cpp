#include "data/loading/warp.h"

#include <algorithm>

#include "data/loading/point_row.h"
#include "kernels/base/sampling.h"

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Flips and shifts one volume [D,H,W].
template <class T> void move_rows(std::span<const T> in, const Extent3& size, const Movement& m, std::span<T> out) {
  const std::int64_t width = size[2];
  const std::int64_t first = std::clamp<std::int64_t>(m.shift[2], 0, width);         // [first, last) comes from the row
  const std::int64_t last = std::clamp<std::int64_t>(width + m.shift[2], 0, width);  // read, the rest is zero
  for (std::int64_t d = 0; d < size[0]; ++d) {
    const std::int64_t from_d = source_of(d, size[0], m.flip[0], m.shift[0]);
    for (std::int64_t h = 0; h < size[1]; ++h) {
      const std::int64_t from_h = source_of(h, size[1], m.flip[1], m.shift[1]);
      T* const to = out.data() + (d * size[1] + h) * width;
      if (from_d < 0 || from_d >= size[0] || from_h < 0 || from_h >= size[1] || first >= last) {
        std::fill_n(to, width, T{0});
        continue;
      }
      const T* const from = in.data() + (from_d * size[1] + from_h) * width;
      std::fill(to, to + first, T{0});
      std::fill(to + last, to + width, T{0});
      if (m.flip[2]) {
        const std::int64_t end = source_of(first, width, true, m.shift[2]) + 1;
        std::reverse_copy(from + end - (last - first), from + end, to + first);
      } else {
        std::copy_n(from + first - m.shift[2], last - first, to + first);
      }
    }
  }
}

void rotate(std::span<const float> image, std::span<const std::uint8_t> label, const Extent3& size, const Movement& m,
            std::span<float> out_image, std::span<std::uint8_t> out_label) {
  PointRow row(size[2]);
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      place_on_line(row, line_of(m, size, d, h), size);
      const std::size_t o = at((d * size[1] + h) * size[2]);
      for (std::size_t volume = 0; volume < image.size(); volume += label.size()) {
        interpolate_row(image.data() + volume, size, row, out_image.data() + volume + o);
      }
      nearest_row(label.data(), size, row, out_label.data() + o);
    }
  }
}

}  // namespace

void warp(std::span<const float> image, std::span<const std::uint8_t> label, const Extent3& size, const Movement& m,
          std::span<float> out_image, std::span<std::uint8_t> out_label) {
  if (m.rotated) {
    rotate(image, label, size, m, out_image, out_label);
    return;
  }
  for (std::size_t first = 0; first < image.size(); first += label.size()) {
    move_rows(image.subspan(first, label.size()), size, m, out_image.subspan(first, label.size()));
  }
  move_rows(label, size, m, out_label);
}

}  // namespace vox
