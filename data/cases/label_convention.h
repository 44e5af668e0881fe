#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vox {

/// Classes in memory are always 0 background, 1 necrotic and non-enhancing, 2 oedema, 3 enhancing.
inline constexpr int kClasses = 4;

/// What scoring tells apart beside the classes: a resection cavity, which is background in memory, and a cyst, which is
/// class 1.
inline constexpr std::uint8_t kCavity = 4;
inline constexpr std::uint8_t kCyst = 5;

/// Which numbers a label file uses. One number means different things in different editions of BraTS, so the file alone
/// never settles it: data/cases/edition.h decides.
enum class LabelConvention : std::uint8_t {
  brats2016,      ///< 2012 to 2016: 1 necrotic, 2 oedema, 3 non-enhancing (class 1), 4 enhancing
  brats2020,      ///< 2017 to 2021: 1 necrotic and non-enhancing, 2 oedema, 4 enhancing
  brats2023,      ///< 2023, and 2024 on where nothing was resected: 1, 2, and 3 enhancing
  brats2024,      ///< GLI from 2024, MET from 2025: as 2023, and 4 resection cavity, which is background here
  brats2024_ped,  ///< PED from 2024: 1 enhancing, 2 non-enhancing, 3 cyst (both class 1), 4 oedema
  msd             ///< Medical Segmentation Decathlon, nnU-Net's converters: 1 oedema, 2 non-enhancing, 3 enhancing
};
inline constexpr std::array<LabelConvention, 6> kLabelConventions{
    LabelConvention::brats2016, LabelConvention::brats2020,     LabelConvention::brats2023,
    LabelConvention::brats2024, LabelConvention::brats2024_ped, LabelConvention::msd};

[[nodiscard]] std::string_view name(LabelConvention);  ///< as on the command line and in files: "brats2024-ped"
[[nodiscard]] std::optional<LabelConvention> convention_named(std::string_view);
/// "brats2016, brats2020, ...": for messages.
[[nodiscard]] std::string convention_names();
/// What its numbers stand for: "1 necrotic, 2 oedema, 4 enhancing".
[[nodiscard]] std::string_view meaning(LabelConvention);

/// The number of the enhancing tumour.
[[nodiscard]] int enhancing_label(LabelConvention);

/// The class of a number; empty where the convention has no such number.
[[nodiscard]] std::optional<std::uint8_t> class_of(LabelConvention, std::uint8_t label);
/// kCavity or kCyst where the number stands for one; else class_of().
[[nodiscard]] std::optional<std::uint8_t> part_of(LabelConvention, std::uint8_t label);
/// Label file values to classes 0..3, in place; throws DataError on a number the convention does not have.
void to_classes(std::span<std::uint8_t> labels, LabelConvention, const std::string& file);
/// Classes 0..3 to a convention's numbers, in place; class 1 becomes the core that does not enhance.
void to_labels(std::span<std::uint8_t> classes, LabelConvention);

/// Voxels by label, of one file.
using LabelCounts = std::array<std::int64_t, 256>;
[[nodiscard]] LabelCounts count_labels(std::span<const std::uint8_t> labels);

}  // namespace vox
