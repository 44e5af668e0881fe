#include "data/loading/warp.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

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

/// Points of a row, those of [first, last).
struct Run {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

/// The points of a row in the input, by axis: each among its eight neighbours.
struct Row {
  explicit Row(std::int64_t width) : offset(at(width)) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      point[axis].resize(at(width));
      low[axis].resize(at(width));
      weight[axis].resize(at(width));
    }
  }

  std::array<std::vector<float>, 3> point;
  std::array<std::vector<std::int32_t>, 3> low;  ///< of the lowest neighbour
  std::array<std::vector<float>, 3> weight;      ///< of the upper neighbour
  std::vector<std::int64_t> offset;              ///< in a volume, of the lowest neighbour of points inside
  Run touching;                                  ///< at least one neighbour lies in the volume
  Run inside;                                    ///< all do
};

/// The points whose lowest neighbour is at least `margin` voxels in front of the end of each axis, and not below -1 +
/// margin: a run, since every coordinate rises or falls along the row.
Run run_of(const Row& row, const Extent3& size, std::int64_t margin) {
  const auto lies = [&](std::int64_t w) {
    bool all = true;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const std::int64_t low = row.low[axis][at(w)];
      all = all && low >= margin - 1 && low < size[axis] - margin;
    }
    return all;
  };
  Run run{.first = 0, .last = size[2]};
  while (run.first < run.last && !lies(run.first)) { ++run.first; }
  while (run.last > run.first && !lies(run.last - 1)) { --run.last; }
  return run;
}

void place(Row& row, SampleLine line, const Extent3& size) {
  const std::int64_t width = size[2];
  for (std::size_t axis = 0; axis < 3; ++axis) {
    float* const point = row.point[axis].data();
    std::int32_t* const low = row.low[axis].data();
    float* const weight = row.weight[axis].data();
    for (std::int32_t w = 0; w < static_cast<std::int32_t>(width); ++w) {
      point[w] = line.at(axis, w);
      low[w] = floor_of(point[w]);
      weight[w] = point[w] - static_cast<float>(low[w]);
    }
  }
  row.touching = run_of(row, size, 0);
  row.inside = run_of(row, size, 1);
  const std::int32_t* const d = row.low[0].data();
  const std::int32_t* const h = row.low[1].data();
  const std::int32_t* const w = row.low[2].data();
  for (std::int64_t i = row.inside.first; i < row.inside.last; ++i) {
    row.offset[at(i)] = (d[i] * size[1] + h[i]) * size[2] + w[i];
  }
}

/// Point w of a row, where neighbours outside the volume count as 0.
float interpolate_at_border(const float* volume, const Extent3& size, const Row& row, std::size_t w) {
  std::array<float, 8> v{};
  for (std::int32_t corner = 0; corner < 8; ++corner) {
    const std::int64_t d = std::int64_t{row.low[0][w]} + (corner >> 2);
    const std::int64_t h = std::int64_t{row.low[1][w]} + ((corner >> 1) & 1);
    const std::int64_t i = std::int64_t{row.low[2][w]} + (corner & 1);
    const bool there = d >= 0 && d < size[0] && h >= 0 && h < size[1] && i >= 0 && i < size[2];
    v[at(corner)] = there ? volume[(d * size[1] + h) * size[2] + i] : 0.0F;
  }
  return interpolate(v.data(), 2, 4, {row.weight[0][w], row.weight[1][w], row.weight[2][w]});
}

/// Four points at a time, as the oldest x86-64 and ARM64 have them.
constexpr std::int64_t kPoints = 4;
using Four [[gnu::vector_size(16)]] = float;
using Two [[gnu::vector_size(8)]] = float;

template <class V> V load_of(const float* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/// Two neighbours along a row for each of four points, mixed. p: one volume's values, moved to the lower neighbour.
Four mix_neighbours(const float* p, const std::int64_t* offset, Four weight) {
  const Four a = __builtin_shufflevector(load_of<Two>(p + offset[0]), load_of<Two>(p + offset[1]), 0, 1, 2, 3);
  const Four b = __builtin_shufflevector(load_of<Two>(p + offset[2]), load_of<Two>(p + offset[3]), 0, 1, 2, 3);
  return mix(__builtin_shufflevector(a, b, 0, 2, 4, 6), __builtin_shufflevector(a, b, 1, 3, 5, 7), weight);
}

/// interpolate() for four points.
Four interpolate_four(const float* volume, const std::int64_t* offset, std::int64_t row, std::int64_t plane,
                      const std::array<Four, 3>& weight) {
  const float* const upper = volume + plane;
  const Four low =
      mix(mix_neighbours(volume, offset, weight[2]), mix_neighbours(volume + row, offset, weight[2]), weight[1]);
  const Four high =
      mix(mix_neighbours(upper, offset, weight[2]), mix_neighbours(upper + row, offset, weight[2]), weight[1]);
  return mix(low, high, weight[0]);
}

void interpolate_row(const float* volume, const Extent3& size, const Row& row, float* out) {
  const std::int64_t length = size[2];
  const std::int64_t plane = size[1] * size[2];
  const auto weight = [&](std::size_t axis, std::int64_t w) { return row.weight[axis].data() + w; };
  const auto [first, last] = row.inside;
  std::fill_n(out, row.touching.first, 0.0F);
  std::fill(out + row.touching.last, out + length, 0.0F);
  const auto border = [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t w = from; w < to; ++w) { out[w] = interpolate_at_border(volume, size, row, at(w)); }
  };
  border(row.touching.first, std::min(first, row.touching.last));
  border(std::max(last, row.touching.first), row.touching.last);
  std::int64_t w = first;
  for (; w + kPoints <= last; w += kPoints) {
    const Four four =
        interpolate_four(volume, row.offset.data() + w, length, plane,
                         {load_of<Four>(weight(0, w)), load_of<Four>(weight(1, w)), load_of<Four>(weight(2, w))});
    std::memcpy(out + w, &four, sizeof four);
  }
  for (; w < last; ++w) {
    out[w] = interpolate(volume + row.offset[at(w)], length, plane, {*weight(0, w), *weight(1, w), *weight(2, w)});
  }
}

void nearest_row(const std::uint8_t* label, const Extent3& size, const Row& row, std::uint8_t* out) {
  for (std::size_t w = 0; w < at(size[2]); ++w) {
    std::array<std::int32_t, 3> i{};
    bool inside = true;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      i[axis] = floor_of(row.point[axis][w] + 0.5F);
      inside = inside && i[axis] >= 0 && i[axis] < size[axis];
    }
    out[w] = inside ? label[(i[0] * size[1] + i[1]) * size[2] + i[2]] : std::uint8_t{0};
  }
}

void rotate(std::span<const float> image, std::span<const std::uint8_t> label, const Extent3& size, const Movement& m,
            std::span<float> out_image, std::span<std::uint8_t> out_label) {
  Row row(size[2]);
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      place(row, line_of(m, size, d, h), size);
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
