#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vox {

enum class Modality : std::uint8_t { t1, t1ce, t2, flair };
inline constexpr std::array<Modality, 4> kModalities{Modality::t1, Modality::t1ce, Modality::t2, Modality::flair};
[[nodiscard]] std::string_view name(Modality);

/// The files of one patient. An empty path is a file that is not there.
struct CaseFiles {
  std::string id;
  std::filesystem::path folder;
  std::array<std::filesystem::path, 4> images;  ///< indexed by Modality
  std::filesystem::path labels;
  std::string note;  ///< what was unusual about the names: "labels found as 'W39_1998.09.19_Segm.nii'"

  [[nodiscard]] const std::filesystem::path& image(Modality m) const { return images[static_cast<std::size_t>(m)]; }
};

/// Cases below a folder, or the one case that the folder is, sorted by id. Knows BraTS 2018-2021 (ID_flair.nii.gz),
/// BraTS 2023 (ID-t2f.nii.gz, -t1n, -t1c, -t2w, -seg) and Kaggle's BraTS2020 with the misnamed labels of case 355.
/// Throws DataError when the folder does not exist or holds no case.
[[nodiscard]] std::vector<CaseFiles> find_cases(const std::filesystem::path&);

/// Which numbers a label file uses. Classes in memory are always 0 background, 1 necrotic and non-enhancing, 2 oedema,
/// 3 enhancing; BraTS 2018-2021 stores the last as 4, BraTS 2023 as 3.
enum class LabelConvention : std::uint8_t { brats2020, brats2023 };
inline constexpr int kClasses = 4;
[[nodiscard]] std::string_view name(LabelConvention);
/// From the labels present: 4 without 3 is brats2020, 3 without 4 is brats2023, neither is brats2020; both, or any
/// other number, throws DataError. The caller prints what was chosen: the mapping is never guessed silently.
[[nodiscard]] LabelConvention convention_of(const std::array<std::int64_t, 256>& voxels_by_label,
                                            const std::string& file);
/// Label file values to classes 0..3, in place; throws DataError on a number the convention does not have.
void to_classes(std::vector<std::uint8_t>& labels, LabelConvention, const std::string& file);
/// Classes 0..3 to the BraTS 2020 numbers 0, 1, 2, 4, in place.
void to_brats_labels(std::vector<std::uint8_t>& classes);

}  // namespace vox
