#include "data/scoring/masks.h"

#include <algorithm>
#include <cstring>

#include "kernels/base/check.h"

namespace vox {
namespace {

bool any(const std::uint8_t* values, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, values + i, sizeof eight);
    if (eight != 0) { return true; }
  }
  return std::any_of(values + i, values + n, [](std::uint8_t v) { return v != 0; });
}

/// The smallest box around what is not 0 in either; of size 0 where nothing is.
Box joint_box(const Extent3& size, const std::uint8_t* a, const std::uint8_t* b) {
  Extent3 low = size;
  Extent3 high{};
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      const std::int64_t row = (d * size[1] + h) * size[2];
      for (const std::uint8_t* const values : {a + row, b + row}) {
        if (!any(values, size[2])) { continue; }
        low = {std::min(low[0], d), std::min(low[1], h), low[2]};
        high = {d + 1, std::max(high[1], h + 1), high[2]};
        for (std::int64_t w = 0; w < low[2]; ++w) {
          if (values[w] != 0) { low[2] = w; }
        }
        for (std::int64_t w = size[2]; w > high[2]; --w) {
          if (values[w - 1] != 0) { high[2] = w; }
        }
      }
    }
  }
  if (high[0] == 0) { return {}; }
  return {.start = low, .size = {high[0] - low[0], high[1] - low[1], high[2] - low[2]}};
}

std::vector<std::uint8_t> cut(const Extent3& size, const std::uint8_t* values, const Box& box) {
  std::vector<std::uint8_t> part;
  part.reserve(static_cast<std::size_t>(box.size[0] * box.size[1] * box.size[2]));
  for (std::int64_t d = box.start[0]; d < box.start[0] + box.size[0]; ++d) {
    for (std::int64_t h = box.start[1]; h < box.start[1] + box.size[1]; ++h) {
      const std::uint8_t* const row = values + (d * size[1] + h) * size[2] + box.start[2];
      part.insert(part.end(), row, row + box.size[2]);
    }
  }
  return part;
}

/// Masks of 0 and 1 as a pair, of a grid that has so many voxels beyond them.
MaskPair tight(const std::vector<std::uint8_t>& truth, const std::vector<std::uint8_t>& predicted, const Extent3& size,
               const std::array<double, 3>& spacing_mm, std::int64_t beyond) {
  const Box box = joint_box(size, truth.data(), predicted.data());
  MaskPair pair{.size = box.size,
                .spacing_mm = spacing_mm,
                .truth = cut(size, truth.data(), box),
                .predicted = cut(size, predicted.data(), box),
                .counts = {}};
  BinaryCounts& n = pair.counts;
  for (std::size_t i = 0; i < pair.truth.size(); ++i) {
    n.tp += pair.truth[i] & pair.predicted[i];
    n.fn += pair.truth[i] & ~pair.predicted[i] & 1;
    n.fp += pair.predicted[i] & ~pair.truth[i] & 1;
  }
  n.tn = beyond + std::ssize(truth) - n.tp - n.fn - n.fp;
  return pair;
}

}  // namespace

ClassPair ClassPair::all_background() const {
  return {.whole = whole, .box = box, .truth = truth, .predicted = std::vector<std::uint8_t>(predicted.size())};
}

ClassPair class_pair(const Geometry& whole, std::span<const std::uint8_t> truth,
                     std::span<const std::uint8_t> predicted) {
  VOX_CHECK(std::ssize(truth) == whole.voxels() && predicted.size() == truth.size(),
            "class_pair: {} and {} voxels, wants {} of both", truth.size(), predicted.size(), whole.voxels());
  const Box box = joint_box(whole.size, truth.data(), predicted.data());
  return {.whole = whole,
          .box = box,
          .truth = cut(whole.size, truth.data(), box),
          .predicted = cut(whole.size, predicted.data(), box)};
}

MaskPair mask_pair(const ClassPair& classes, const ScoredRegion& region) {
  const auto mask = [&](std::vector<std::uint8_t> values) {
    for (std::uint8_t& v : values) { v = static_cast<std::uint8_t>(region.classes >> v & 1); }
    return values;
  };
  return tight(mask(classes.truth), mask(classes.predicted), classes.box.size, classes.whole.spacing_mm,
               classes.whole.voxels() - std::ssize(classes.truth));
}

MaskPair mask_pair(const LabelMap& truth, const LabelMap& predicted) {
  VOX_CHECK(truth.geometry.size == predicted.geometry.size, "mask_pair: the two masks differ in size");
  const auto mask = [](const LabelMap& of) {
    std::vector<std::uint8_t> values(of.values.begin(), of.values.end());
    for (std::uint8_t& v : values) { v = v != 0 ? 1 : 0; }
    return values;
  };
  return tight(mask(truth), mask(predicted), truth.geometry.size, truth.geometry.spacing_mm, 0);
}

std::vector<std::uint8_t> surface_voxels(std::span<const std::uint8_t> mask, const Extent3& size) {
  const std::int64_t depth = size[0];
  const std::int64_t height = size[1];
  const std::int64_t width = size[2];
  std::vector<std::uint8_t> surface(mask.size());
  const std::vector<std::uint8_t> outside(static_cast<std::size_t>(width));
  for (std::int64_t d = 0; d < depth; ++d) {
    for (std::int64_t h = 0; h < height; ++h) {
      const auto row = [&](std::int64_t at_d, std::int64_t at_h) {
        const bool in = at_d >= 0 && at_d < depth && at_h >= 0 && at_h < height;
        return in ? mask.data() + (at_d * height + at_h) * width : outside.data();
      };
      const std::uint8_t* const own = row(d, h);
      const std::uint8_t* const up = row(d - 1, h);
      const std::uint8_t* const down = row(d + 1, h);
      const std::uint8_t* const front = row(d, h - 1);
      const std::uint8_t* const back = row(d, h + 1);
      std::uint8_t* const out = surface.data() + (d * height + h) * width;
      for (std::int64_t w = 1; w + 1 < width; ++w) {
        const int inner = own[w - 1] & own[w + 1] & up[w] & down[w] & front[w] & back[w];
        out[w] = static_cast<std::uint8_t>(own[w] & ~inner);
      }
      out[0] = own[0];
      out[width - 1] = own[width - 1];
    }
  }
  return surface;
}

}  // namespace vox
