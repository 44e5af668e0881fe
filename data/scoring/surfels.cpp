#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "data/scoring/nearest.h"
#include "data/scoring/surface_distances.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

/// The triangles of one kind of corner, by the components of their normals, in eighths of a voxel's faces. The length
/// of a normal is the area. Signs do not matter.
struct CornerKind {
  int code;
  int triangles;
  std::array<std::array<int, 3>, 4> eighths;
};

/// Every code is one of these, mirrored, turned or inverted. Bits as in surfel_areas_mm2(). Where marching cubes leave
/// a choice, what DeepMind's surface-distance 0.1 chose.
constexpr std::array<CornerKind, 13> kCornerKinds{{
    {0b00000001, 1, {{{1, 1, 1}}}},                                   // one voxel
    {0b00000011, 2, {{{2, 2, 0}, {2, 2, 0}}}},                        // two that share a face
    {0b00000110, 2, {{{1, 1, 1}, {1, 1, 1}}}},                        // an edge
    {0b00011000, 2, {{{1, 1, 1}, {1, 1, 1}}}},                        // only the corner
    {0b00000111, 3, {{{4, 0, 0}, {2, 2, 2}, {1, 1, 1}}}},             // three in an L
    {0b00011001, 3, {{{0, 2, 2}, {0, 2, 2}, {1, 1, 1}}}},             // two, and one apart
    {0b00010110, 3, {{{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}}},             // three apart
    {0b00001111, 2, {{{4, 0, 0}, {4, 0, 0}}}},                        // a plate
    {0b00010111, 4, {{{1, 1, 1}, {1, 1, 1}, {2, 2, 2}, {2, 2, 2}}}},  // three around one
    {0b00011011, 4, {{{0, 2, 2}, {1, 1, 1}, {2, 0, 2}, {3, 3, 3}}}},  // four in a winding row
    {0b00011110, 4, {{{1, 1, 1}, {1, 1, 1}, {2, 2, 2}, {4, 0, 0}}}},  // an L, and one apart
    {0b00111100, 4, {{{2, 2, 0}, {2, 2, 0}, {2, 2, 0}, {2, 2, 0}}}},  // two pairs apart
    {0b01101001, 4, {{{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}}},  // four apart
}};

constexpr std::array<std::array<std::size_t, 3>, 6> kTurns{
    {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}};

/// The code after axis k of the new one was made of axis turn[k] of the old one, and mirrored where bit k of mirror is.
int turned(int code, const std::array<std::size_t, 3>& turn, int mirror) {
  int result = 0;
  for (int place = 0; place < 8; ++place) {  // bit 2 along D, bit 1 along H, bit 0 along W
    int from = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const int at = (place >> (2 - k) & 1) ^ (mirror >> k & 1);
      from |= at << (2 - turn[k]);
    }
    if ((code >> (7 - from) & 1) != 0) { result |= 1 << (7 - place); }
  }
  return result;
}

double area_mm2(const CornerKind& kind, const std::array<std::size_t, 3>& turn, const std::array<double, 3>& faces) {
  double area = 0;
  for (int t = 0; t < kind.triangles; ++t) {
    double square = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const double along = kind.eighths[static_cast<std::size_t>(t)][turn[k]] / 8.0 * faces[k];
      square += along * along;
    }
    area += std::sqrt(square);
  }
  return area;
}

/// [D+1,H+1,W+1]: the code of every corner.
std::vector<std::uint8_t> corner_codes(std::span<const std::uint8_t> mask, const Extent3& size) {
  const std::int64_t depth = size[0];
  const std::int64_t height = size[1];
  const std::int64_t width = size[2];
  std::vector<std::uint8_t> codes(static_cast<std::size_t>((depth + 1) * (height + 1) * (width + 1)));
  const std::vector<std::uint8_t> outside(static_cast<std::size_t>(width));
  std::uint8_t* out = codes.data();
  for (std::int64_t d = 0; d <= depth; ++d) {
    for (std::int64_t h = 0; h <= height; ++h, out += width + 1) {
      const auto row = [&](std::int64_t at_d, std::int64_t at_h) {
        const bool in = at_d >= 0 && at_d < depth && at_h >= 0 && at_h < height;
        return in ? mask.data() + (at_d * height + at_h) * width : outside.data();
      };
      const std::array<const std::uint8_t*, 4> rows{row(d - 1, h - 1), row(d - 1, h), row(d, h - 1), row(d, h)};
      const auto pairs = [&](std::int64_t w) {  // the bits of one voxel of each row, two apart
        return rows[0][w] << 6 | rows[1][w] << 4 | rows[2][w] << 2 | rows[3][w];
      };
      out[0] = static_cast<std::uint8_t>(pairs(0));
      for (std::int64_t w = 1; w < width; ++w) { out[w] = static_cast<std::uint8_t>(pairs(w - 1) << 1 | pairs(w)); }
      out[width] = static_cast<std::uint8_t>(pairs(width - 1) << 1);
    }
  }
  return codes;
}

std::vector<std::uint8_t> on_surface(const std::vector<std::uint8_t>& codes) {
  std::vector<std::uint8_t> mask(codes.size());
  std::ranges::transform(codes, mask.begin(),
                         [](std::uint8_t c) { return static_cast<std::uint8_t>(c != 0 && c != 255); });
  return mask;
}

std::vector<Surfel> sorted_surfels(const std::vector<double>& distances, const std::vector<std::uint8_t>& codes,
                                   const std::vector<std::uint8_t>& on_it, const std::array<double, 256>& areas) {
  std::vector<Surfel> surfels;
  surfels.reserve(distances.size());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (on_it[i] != 0) { surfels.push_back({.distance_mm = distances[surfels.size()], .area_mm2 = areas[codes[i]]}); }
  }
  std::ranges::sort(surfels, [](const Surfel& a, const Surfel& b) {
    return a.distance_mm != b.distance_mm ? a.distance_mm < b.distance_mm : a.area_mm2 < b.area_mm2;
  });
  return surfels;
}

/// Adds in the order of numpy.sum, so that a share of exactly 95 % falls on the same side as in Python.
double sum_of_areas(std::span<const Surfel> surfels) {
  const std::size_t n = surfels.size();
  if (n > 128) {
    const std::size_t half = n / 2 - n / 2 % 8;
    return sum_of_areas(surfels.first(half)) + sum_of_areas(surfels.subspan(half));
  }
  std::array<double, 8> r{};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) { r[k] += surfels[i + k].area_mm2; }
  }
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) { sum += surfels[i].area_mm2; }
  return sum;
}

double hd95_directed(std::span<const Surfel> surfels) {
  const double all = sum_of_areas(surfels);
  double area = 0;
  for (const Surfel& s : surfels) {
    area += s.area_mm2;
    if (area / all >= 0.95) { return s.distance_mm; }
  }
  return surfels.back().distance_mm;
}

}  // namespace

std::array<double, 256> surfel_areas_mm2(const std::array<double, 3>& s) {
  const std::array<double, 3> faces{s[1] * s[2], s[0] * s[2], s[0] * s[1]};
  std::array<double, 256> areas{};
  for (const CornerKind& kind : kCornerKinds) {
    for (const auto& turn : kTurns) {
      const double area = area_mm2(kind, turn, faces);
      for (int mirror = 0; mirror < 8; ++mirror) {
        const int code = turned(kind.code, turn, mirror);
        areas[static_cast<std::size_t>(code)] = area;
        areas[static_cast<std::size_t>(255 - code)] = area;
      }
    }
  }
  return areas;
}

SurfelDistances surfel_distances(const MaskPair& masks, int threads) {
  if (masks.size[0] == 0) { return {}; }
  const Extent3 corners{masks.size[0] + 1, masks.size[1] + 1, masks.size[2] + 1};
  const std::array<double, 256> areas = surfel_areas_mm2(masks.spacing_mm);
  const std::vector<std::uint8_t> truth = corner_codes(masks.truth, masks.size);
  const std::vector<std::uint8_t> predicted = corner_codes(masks.predicted, masks.size);
  const std::vector<std::uint8_t> on_truth = on_surface(truth);
  const std::vector<std::uint8_t> on_predicted = on_surface(predicted);
  const auto distances = [&](const std::vector<std::uint8_t>& from, const std::vector<std::uint8_t>& to) {
    return NearestPoint(to, corners, masks.spacing_mm).distances_mm(from, threads);
  };
  return {.from_truth = sorted_surfels(distances(on_truth, on_predicted), truth, on_truth, areas),
          .from_predicted = sorted_surfels(distances(on_predicted, on_truth), predicted, on_predicted, areas)};
}

double hd95_surfel_mm(const SurfelDistances& d) {
  if (d.from_truth.empty() || d.from_predicted.empty()) { return std::numeric_limits<double>::infinity(); }
  return std::max(hd95_directed(d.from_truth), hd95_directed(d.from_predicted));
}

double surface_dice(const SurfelDistances& d, double tolerance_mm) {
  const double all = sum_of_areas(d.from_truth) + sum_of_areas(d.from_predicted);
  VOX_CHECK(all > 0, "surface_dice: both masks are empty");
  const auto near = [&](const std::vector<Surfel>& surfels) {
    const auto end = std::ranges::upper_bound(surfels, tolerance_mm, {}, &Surfel::distance_mm);
    return sum_of_areas({surfels.begin(), end});
  };
  return (near(d.from_truth) + near(d.from_predicted)) / all;
}

}  // namespace vox
