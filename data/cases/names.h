#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace vox {

enum class Modality : std::uint8_t { t1, t1ce, t2, flair };
inline constexpr std::array<Modality, 4> kModalities{Modality::t1, Modality::t1ce, Modality::t2, Modality::flair};
[[nodiscard]] std::string_view name(Modality);
/// The image that a channel or column is called after in any data set: "T1w", "t1n", "T1-Gd", "T2-FLAIR", ... Case,
/// spaces and signs do not matter. Empty for other words.
[[nodiscard]] std::optional<Modality> modality_named(std::string_view);

// What the names of files say, in one place for every verb. Names are bytes; case does not matter in what is looked
// for, and ids keep theirs.
//   BraTS 2017-2021  ID_{t1,t1ce,t2,flair,seg}    UCSF-PDGM, UPENN-GBM  also ID_{t1c,t1gd},
//   ID_{tumor_segmentation,segm} BraTS 2023 on    ID-{t1n,t1c,t2w,t2f,seg}
// each with .nii or .nii.gz.

/// What a file is to its case.
struct FileRole {
  std::string id;
  std::optional<Modality> image;  ///< empty: the labels, or the mask
  bool mask = false;              ///< ID_SUFFIX or ID-SUFFIX, where a mask's suffix was asked for
  bool hyphenated = false;        ///< "ID-t2f" rather than "ID_flair"
};

/// The name before .nii or .nii.gz, whatever their case; empty for other files.
[[nodiscard]] std::optional<std::string> nifti_stem(const std::filesystem::path& file);
/// The character between id and role must be that of the edition, so that "a-t2" or "b_t1n" are no accident. Empty for
/// names that name no role.
[[nodiscard]] std::optional<FileRole> role_of(const std::string& stem, std::string_view mask_suffix = {});
/// Does the stem end as labels did in sources before they were renamed: "W39_1998.09.19_Segm",
/// "UPENN-GBM-00001_11_segm"?
[[nodiscard]] bool looks_like_labels(const std::string& stem);
/// Files that no user made: hidden ones, and those that macOS leaves in archives (._NAME, __MACOSX).
[[nodiscard]] bool is_hidden(const std::filesystem::path&);

}  // namespace vox
