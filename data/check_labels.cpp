#include "data/check_labels.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/check.h"

namespace vox {
namespace {

constexpr double kRoundoff = 1e-3;             // as read_nifti_labels()
constexpr double kMostLostByCrop = 0.01;       // of the tumour
constexpr double kLeastTumourFraction = 0.01;  // the tutorial keeps a case above this

/// The tutorial's crop of BraTS' 240x240x155, along D, H, W: first voxel and one past the last.
constexpr std::array<std::int64_t, 3> kCropBegin{13, 56, 56};
constexpr std::array<std::int64_t, 3> kCropEnd{141, 184, 184};

struct Counts {
  std::array<std::int64_t, 256> by_label{};
  std::int64_t not_integers = 0;
  std::int64_t unknown = 0;  // integers outside 0..255
  double example = 0;        // of either
  std::int64_t outside_brain = 0;
  std::int64_t tumour = 0;
};

Counts count(const Image& labels, std::span<const std::uint8_t> brain) {
  Counts c;
  for (std::size_t v = 0; v < labels.values.size(); ++v) {
    const double value = labels.values[v];
    const double label = std::nearbyint(value);
    if (!(std::abs(value - label) <= kRoundoff)) {
      ++c.not_integers;
      c.example = value;
    } else if (label < 0 || label > 255) {
      ++c.unknown;
      c.example = value;
    } else {
      ++c.by_label[static_cast<std::size_t>(label)];
      if (label > 0 && !brain.empty() && brain[v] == 0) { ++c.outside_brain; }
    }
  }
  for (std::size_t label = 1; label < c.by_label.size(); ++label) { c.tumour += c.by_label[label]; }
  return c;
}

struct Crop {
  bool applies = false;  ///< the crop fits into the volume; the whole volume is counted where it does not
  std::int64_t voxels = 0;
  std::int64_t tumour = 0;
};

Crop crop(const Image& labels) {
  const auto& size = labels.geometry.size;
  std::array<std::int64_t, 3> begin{};
  std::array<std::int64_t, 3> end = size;
  Crop c;
  c.applies = size[0] >= kCropEnd[0] && size[1] >= kCropEnd[1] && size[2] >= kCropEnd[2];
  if (c.applies) {
    begin = kCropBegin;
    end = kCropEnd;
  }
  for (std::int64_t d = begin[0]; d < end[0]; ++d) {
    for (std::int64_t h = begin[1]; h < end[1]; ++h) {
      const auto row = labels.values.begin() + labels.index(d, h, begin[2]);
      c.voxels += end[2] - begin[2];
      c.tumour += std::count_if(row, row + (end[2] - begin[2]), [](float v) { return v > 0.5F; });
    }
  }
  return c;
}

}  // namespace

std::vector<Finding> check_labels(const Image& labels, std::span<const std::uint8_t> brain,
                                  const std::filesystem::path& file, std::optional<LabelConvention>& convention) {
  std::vector<Finding> out;
  const auto add = [&](Check check, std::string message) { out.push_back({check, file, std::move(message)}); };
  const Counts counts = count(labels, brain);
  if (counts.not_integers > 0) {
    add(Check::labels_not_integers,
        fmt::format("{} voxels are no integers, one is {}", counts.not_integers, counts.example));
    return out;
  }
  if (counts.unknown > 0) {
    add(Check::unknown_label, fmt::format("{} voxels hold no label, one is {}", counts.unknown, counts.example));
    return out;
  }
  try {
    convention = convention_of(counts.by_label, file.string());
  } catch (const DataError& e) {
    add(Check::unknown_label, e.what());
    return out;
  }
  if (*convention == LabelConvention::brats2023) {
    add(Check::labels_of_brats2023, fmt::format("{} voxels of label 3, none of 4", counts.by_label[3]));
  }
  if (counts.tumour == 0) {
    add(Check::labels_all_background, "no voxel is labelled");
    return out;
  }
  if (counts.by_label[3] + counts.by_label[4] == 0) {
    add(Check::no_enhancing_tumour, fmt::format("{} tumour voxels, none enhancing", counts.tumour));
  }
  if (counts.outside_brain > 0) {
    add(Check::labels_outside_brain,
        fmt::format("{} of {} tumour voxels lie where every image is zero", counts.outside_brain, counts.tumour));
  }
  const Crop c = crop(labels);
  const double lost = static_cast<double>(counts.tumour - c.tumour) / static_cast<double>(counts.tumour);
  if (lost > kMostLostByCrop) {
    add(Check::lost_by_tutorial_crop,
        fmt::format("{:.1f} % of the tumour lies outside [56:184, 56:184, 13:141]", 100 * lost));
  }
  const double fraction = static_cast<double>(c.tumour) / static_cast<double>(c.voxels);
  if (!(fraction > kLeastTumourFraction)) {
    add(Check::below_tumour_rule, fmt::format("tumour is {:.2f} % of the {} voxels{}", 100 * fraction, c.voxels,
                                              c.applies ? " of the tutorial's crop" : ""));
  }
  return out;
}

}  // namespace vox
