#include "data/loading/point_row.h"

#include <algorithm>
#include <cstring>

namespace vox {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// The points whose lowest neighbour is at least `margin` voxels in front of the end of each axis, and not below -1 +
/// margin: a run, since every coordinate rises or falls along the row.
Run run_of(const PointRow& row, const Extent3& size, std::int64_t margin) {
  const auto lies = [&](std::int64_t w) {
    bool all = true;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const std::int64_t low = row.low[axis][at(w)];
      all = all && low >= margin - 1 && low < size[axis] - margin;
    }
    return all;
  };
  Run run{.first = 0, .last = row.width()};
  while (run.first < run.last && !lies(run.first)) { ++run.first; }
  while (run.last > run.first && !lies(run.last - 1)) { --run.last; }
  return run;
}

/// Each point's neighbours and weights, from the points.
void find_neighbours(PointRow& row) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const float* const point = row.point[axis].data();
    std::int32_t* const low = row.low[axis].data();
    float* const weight = row.weight[axis].data();
    for (std::int64_t w = 0; w < row.width(); ++w) {
      low[w] = floor_of(point[w]);
      weight[w] = point[w] - static_cast<float>(low[w]);
    }
  }
}

void find_offsets(PointRow& row, const Extent3& size) {
  const std::int32_t* const d = row.low[0].data();
  const std::int32_t* const h = row.low[1].data();
  const std::int32_t* const w = row.low[2].data();
  for (std::int64_t i = row.inside.first; i < row.inside.last; ++i) {
    row.offset[at(i)] = (d[i] * size[1] + h[i]) * size[2] + w[i];
  }
}

/// The longest run of points whose neighbours all lie in the volume.
Run longest_inside(const PointRow& row, const Extent3& size) {
  Run best;
  Run run;
  for (std::int64_t w = 0; w < row.width(); ++w) {
    bool inside = true;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const std::int64_t low = row.low[axis][at(w)];
      inside = inside && low >= 0 && low < size[axis] - 1;
    }
    run = inside ? Run{.first = run.first, .last = w + 1} : Run{.first = w + 1, .last = w + 1};
    if (run.last - run.first > best.last - best.first) { best = run; }
  }
  return best;
}

/// The eight neighbours of point w of a row, 0 outside the volume.
template <class T>
std::array<T, 8> neighbours_at_border(const T* volume, const Extent3& size, const PointRow& row, std::size_t w) {
  std::array<T, 8> v{};
  for (std::int32_t corner = 0; corner < 8; ++corner) {
    const std::int64_t d = std::int64_t{row.low[0][w]} + (corner >> 2);
    const std::int64_t h = std::int64_t{row.low[1][w]} + ((corner >> 1) & 1);
    const std::int64_t i = std::int64_t{row.low[2][w]} + (corner & 1);
    const bool there = d >= 0 && d < size[0] && h >= 0 && h < size[1] && i >= 0 && i < size[2];
    v[at(corner)] = there ? volume[(d * size[1] + h) * size[2] + i] : T{0};
  }
  return v;
}

std::array<float, 3> weights_of(const PointRow& row, std::size_t w) {
  return {row.weight[0][w], row.weight[1][w], row.weight[2][w]};
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

/// Eight neighbours, of equal values mostly: the value that weighs most.
std::uint8_t heaviest(const std::array<std::uint8_t, 8>& value, const std::array<float, 3>& weight) {
  std::array<float, kMostValues> sum{};
  for (std::size_t corner = 0; corner < 8; ++corner) {
    const float d = (corner & 4U) != 0 ? weight[0] : 1.0F - weight[0];
    const float h = (corner & 2U) != 0 ? weight[1] : 1.0F - weight[1];
    const float w = (corner & 1U) != 0 ? weight[2] : 1.0F - weight[2];
    sum[value[corner]] += product(product(d, h), w);
  }
  return static_cast<std::uint8_t>(std::ranges::max_element(sum) - sum.begin());
}

std::uint16_t pair_at(const std::uint8_t* p) {
  std::uint16_t both = 0;
  std::memcpy(&both, p, sizeof both);
  return both;
}

}  // namespace

PointRow::PointRow(std::int64_t width) : offset(at(width)) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    point[axis].resize(at(width));
    low[axis].resize(at(width));
    weight[axis].resize(at(width));
  }
}

void place_on_line(PointRow& row, const SampleLine& line, const Extent3& size) {
  const SampleLine own = line;  // the compiler sees that no store changes it
  for (std::size_t axis = 0; axis < 3; ++axis) {
    float* const point = row.point[axis].data();
    for (std::int32_t w = 0; w < static_cast<std::int32_t>(row.width()); ++w) { point[w] = own.at(axis, w); }
  }
  find_neighbours(row);
  row.touching = run_of(row, size, 0);
  row.inside = run_of(row, size, 1);
  find_offsets(row, size);
}

void place_points(PointRow& row, const Extent3& size) {
  find_neighbours(row);
  row.touching = run_of(row, size, 0);
  row.inside = longest_inside(row, size);
  find_offsets(row, size);
}

void interpolate_row(const float* volume, const Extent3& size, const PointRow& row, float* out) {
  const std::int64_t length = size[2];
  const std::int64_t plane = size[1] * size[2];
  const auto weight = [&](std::size_t axis, std::int64_t w) { return row.weight[axis].data() + w; };
  const auto [first, last] = row.inside;
  std::fill_n(out, row.touching.first, 0.0F);
  std::fill(out + row.touching.last, out + row.width(), 0.0F);
  const auto border = [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t w = from; w < to; ++w) {
      out[w] = interpolate(neighbours_at_border(volume, size, row, at(w)).data(), 2, 4, weights_of(row, at(w)));
    }
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

void nearest_row(const std::uint8_t* volume, const Extent3& size, const PointRow& row, std::uint8_t* out) {
  for (std::size_t w = 0; w < at(row.width()); ++w) {
    std::array<std::int32_t, 3> i{};
    bool inside = true;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      i[axis] = floor_of(row.point[axis][w] + 0.5F);
      inside = inside && i[axis] >= 0 && i[axis] < size[axis];
    }
    out[w] = inside ? volume[(i[0] * size[1] + i[1]) * size[2] + i[2]] : std::uint8_t{0};
  }
}

void heaviest_row(const std::uint8_t* volume, const Extent3& size, const PointRow& row, std::uint8_t* out) {
  const std::int64_t length = size[2];
  const std::int64_t plane = size[1] * size[2];
  const auto [first, last] = row.inside;
  std::fill_n(out, row.width(), std::uint8_t{0});
  const auto border = [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t w = from; w < to; ++w) {
      out[w] = heaviest(neighbours_at_border(volume, size, row, at(w)), weights_of(row, at(w)));
    }
  };
  border(row.touching.first, std::min(first, row.touching.last));
  border(std::max(last, row.touching.first), row.touching.last);
  for (std::int64_t w = first; w < last; ++w) {
    const std::uint8_t* const p = volume + row.offset[at(w)];
    const std::array<std::uint16_t, 4> pairs{pair_at(p), pair_at(p + length), pair_at(p + plane),
                                             pair_at(p + plane + length)};
    const auto all = static_cast<std::uint16_t>(*p * 0x0101U);
    if (pairs[0] == all && pairs[1] == all && pairs[2] == all && pairs[3] == all) {
      out[w] = *p;
      continue;
    }
    out[w] = heaviest(
        {p[0], p[1], p[length], p[length + 1], p[plane], p[plane + 1], p[plane + length], p[plane + length + 1]},
        weights_of(row, at(w)));
  }
}

}  // namespace vox
