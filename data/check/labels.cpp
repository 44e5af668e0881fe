#include "data/check/labels.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/cases/recipe.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr double kRoundoff = 1e-3;             // as read_nifti_labels()
constexpr double kMostLostByCrop = 0.01;       // of the tumour
constexpr double kLeastTumourFraction = 0.01;  // the tutorial keeps a case above this

struct Counts {
  LabelCounts by_label{};
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

std::int64_t count_class(const Counts& counts, LabelConvention convention, std::uint8_t cls) {
  std::int64_t n = 0;
  for (std::size_t label = 0; label < counts.by_label.size(); ++label) {
    n += class_of(convention, static_cast<std::uint8_t>(label)) == cls ? counts.by_label[label] : 0;
  }
  return n;
}

struct Crop {
  bool applies = false;  ///< the crop fits into the volume; the whole volume is counted where it does not
  std::int64_t voxels = 0;
  std::int64_t tumour = 0;
};

Crop crop(const Image& labels) {
  const auto& size = labels.geometry.size;
  Crop c{.applies = true};
  for (std::size_t a = 0; a < 3; ++a) {
    c.applies = c.applies && size[a] >= kTutorialCrop.start[a] + kTutorialCrop.size[a];
  }
  const auto [start, extent] = c.applies ? kTutorialCrop : Box{.start = {}, .size = size};
  for (std::int64_t d = start[0]; d < start[0] + extent[0]; ++d) {
    for (std::int64_t h = start[1]; h < start[1] + extent[1]; ++h) {
      const auto row = labels.values.begin() + labels.index(d, h, start[2]);
      c.voxels += extent[2];
      c.tumour += std::count_if(row, row + extent[2], [](float v) { return v > 0.5F; });
    }
  }
  return c;
}

}  // namespace

std::vector<Finding> check_labels(const Image& labels, std::span<const std::uint8_t> brain, const CaseFiles& files,
                                  const LabelRules& rules, std::optional<LabelConvention>& convention) {
  std::vector<Finding> out;
  const std::filesystem::path& file = files.labels;
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
  const LabelDecision decision = decide_labels(files.label_file(), counts.by_label, rules);
  convention = decision.convention;
  if (!convention) {
    add(decision.unknown ? Check::unknown_label : Check::labels_ambiguous, decision.reason);
    return out;
  }
  if (*convention == LabelConvention::brats2023 && counts.by_label[3] > 0) {
    add(Check::labels_of_brats2023, fmt::format("{} voxels of label 3, none of 4", counts.by_label[3]));
  }
  if (counts.tumour == 0) {
    add(Check::labels_all_background, "no voxel is labelled");
    return out;
  }
  if (count_class(counts, *convention, 3) == 0) {
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
