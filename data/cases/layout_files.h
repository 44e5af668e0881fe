#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/cases/layout.h"

namespace vox {

// The readers of data/cases/layout.cpp, one per layout, and what they share.

/// Entries of a folder without hidden ones, sorted. Throws DataError where it cannot be read.
struct Entries {
  std::vector<std::filesystem::path> files;
  std::vector<std::filesystem::path> folders;
};
[[nodiscard]] Entries entries_of(const std::filesystem::path& folder);

/// A folder by its own name, whatever way it was named: "imagesTr" of "." in it.
[[nodiscard]] std::string own_name(const std::filesystem::path& folder);
[[nodiscard]] std::string lower_case(std::string);
/// A file's bytes without the mark of UTF-8 that spreadsheets begin with. Throws DataError where it cannot be opened.
[[nodiscard]] std::string text_of(const std::filesystem::path&);

/// Cases of CaseLayout::brats; finds nothing without a word.
[[nodiscard]] std::vector<CaseFiles> brats_cases(const std::filesystem::path&, std::string_view mask_suffix);

/// The folder whose files are the images of nnunet and msd: the folder itself, its imagesTr, or its imagesTs.
struct ImagesFolder {
  std::filesystem::path images;
  std::filesystem::path json;  ///< dataset.json beside or above them; empty: there is none
  bool numbered = false;       ///< files end in _0000: nnunet
};
[[nodiscard]] std::optional<ImagesFolder> images_folder(const std::filesystem::path&);
[[nodiscard]] Dataset nnunet_cases(const ImagesFolder&);
[[nodiscard]] Dataset msd_cases(const ImagesFolder&);

/// Folders of subjects below: sub-ID with anat or ses-ID/anat in it, or the folder itself.
[[nodiscard]] std::vector<std::filesystem::path> bids_subjects(const std::filesystem::path&);
[[nodiscard]] Dataset bids_cases(const std::filesystem::path&, std::string_view mask_suffix);

/// A file of fields with a header line, as RFC 4180 has it: quotes, quotes doubled in quotes. Spaces around fields go,
/// and empty lines.
struct TextTable {
  struct Row {
    std::vector<std::string> fields;  ///< as many as the header has
    std::int64_t line = 0;            ///< where it begins, from 1
  };
  std::vector<std::string> header;
  std::vector<Row> rows;
  [[nodiscard]] std::ptrdiff_t column(std::string_view) const;  ///< -1: there is none
};
[[nodiscard]] TextTable read_table(const std::filesystem::path&, char mark);
[[nodiscard]] Dataset list_cases(const std::filesystem::path& file);

/// Puts a file where it belongs in a case, or notes that another one is there.
void place_file(CaseFiles&, std::filesystem::path& place, const std::filesystem::path& file);

}  // namespace vox
