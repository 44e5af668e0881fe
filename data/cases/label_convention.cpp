#include "data/cases/label_convention.h"

#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::uint8_t kNone = 255;

struct Convention {
  std::string_view name;
  std::string_view meaning;
  std::array<std::uint8_t, 5> classes;         ///< of the labels 0 to 4; kNone where there is no such label
  std::array<std::uint8_t, kClasses> written;  ///< label of each class
};

// In the order of enum class LabelConvention.
constexpr std::array<Convention, kLabelConventions.size()> kConventions{{
    {"brats2016", "1 necrotic, 2 oedema, 3 non-enhancing, 4 enhancing", {0, 1, 2, 1, 3}, {0, 1, 2, 4}},
    {"brats2020", "1 necrotic, 2 oedema, 4 enhancing", {0, 1, 2, kNone, 3}, {0, 1, 2, 4}},
    {"brats2023", "1 necrotic, 2 oedema, 3 enhancing", {0, 1, 2, 3, kNone}, {0, 1, 2, 3}},
    {"brats2024", "1 necrotic, 2 oedema, 3 enhancing, 4 resection cavity", {0, 1, 2, 3, 0}, {0, 1, 2, 3}},
    {"brats2024-ped", "1 enhancing, 2 non-enhancing, 3 cyst, 4 oedema", {0, 3, 1, 1, 2}, {0, 2, 4, 1}},
    {"msd", "1 oedema, 2 non-enhancing, 3 enhancing", {0, 2, 1, 3, kNone}, {0, 2, 1, 3}},
}};

const Convention& entry(LabelConvention c) { return kConventions[static_cast<std::size_t>(c)]; }

}  // namespace

std::string_view name(LabelConvention c) { return entry(c).name; }

std::string_view meaning(LabelConvention c) { return entry(c).meaning; }

int enhancing_label(LabelConvention c) { return entry(c).written[3]; }

std::optional<LabelConvention> convention_named(std::string_view text) {
  for (const LabelConvention c : kLabelConventions) {
    if (text == name(c)) { return c; }
  }
  return {};
}

std::string convention_names() {
  std::string names;
  for (const LabelConvention c : kLabelConventions) { names += (names.empty() ? "" : ", ") + std::string(name(c)); }
  return names;
}

std::optional<std::uint8_t> class_of(LabelConvention c, std::uint8_t label) {
  if (label >= entry(c).classes.size() || entry(c).classes[label] == kNone) { return {}; }
  return entry(c).classes[label];
}

std::optional<std::uint8_t> part_of(LabelConvention c, std::uint8_t label) {
  if (c == LabelConvention::brats2024 && label == 4) { return kCavity; }
  if (c == LabelConvention::brats2024_ped && label == 3) { return kCyst; }
  return class_of(c, label);
}

void to_classes(std::span<std::uint8_t> labels, LabelConvention convention, const std::string& file) {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t label = 0; label < classes.size(); ++label) {
    classes[label] = class_of(convention, static_cast<std::uint8_t>(label)).value_or(kNone);
  }
  for (std::uint8_t& label : labels) {
    VOX_CHECK_DATA(classes[label] != kNone, "'{}' holds label {}; {} has 0 background, {}", file, label,
                   name(convention), meaning(convention));
    label = classes[label];
  }
}

void to_labels(std::span<std::uint8_t> classes, LabelConvention convention) {
  for (std::uint8_t& c : classes) {
    VOX_CHECK(c < kClasses, "to_labels: class {}, wants 0 to {}", c, kClasses - 1);
    c = entry(convention).written[c];
  }
}

LabelCounts count_labels(std::span<const std::uint8_t> labels) {
  // Four tables: neighbours are mostly equal, and one counter after another would wait for itself.
  std::array<LabelCounts, 4> parts{};
  for (std::size_t v = 0; v < labels.size(); ++v) { ++parts[v % parts.size()][labels[v]]; }
  LabelCounts all{};
  for (const LabelCounts& part : parts) {
    for (std::size_t label = 0; label < all.size(); ++label) { all[label] += part[label]; }
  }
  return all;
}

}  // namespace vox
