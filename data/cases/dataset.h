#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/cases/names.h"

namespace vox {

/// A file that cannot be told apart from one that a case has already.
struct Clash {
  std::filesystem::path file;
  std::filesystem::path other;  ///< the one that the case keeps
  bool two_folders = false;     ///< the case itself is there twice, in two folders
};

/// The files of one patient. An empty path is a file that is not there.
struct CaseFiles {
  std::string id;
  std::filesystem::path folder;
  std::array<std::filesystem::path, 4> images;  ///< indexed by Modality
  std::filesystem::path labels;
  std::filesystem::path mask;  ///< of the brain, where one was asked for
  bool hyphenated = false;     ///< named as BraTS names files since 2023: "ID-t2f"
  std::string note;            ///< what was unusual about the names: "labels found as 'W39_1998.09.19_Segm.nii'"
  std::vector<Clash> clashes;  ///< none in a sound case
  std::string mask_suffix;     ///< what was asked for

  [[nodiscard]] const std::filesystem::path& image(Modality m) const { return images[static_cast<std::size_t>(m)]; }
};

/// Cases below a folder, or the one case that the folder is, sorted by id; side by side in one folder or each in its
/// own. Knows the names of data/cases/names.h and Kaggle's BraTS2020 with the misnamed labels of case 355. mask_suffix:
/// "mask" finds ID_mask.nii.gz or ID-mask.nii.gz. Throws DataError when the folder does not exist or holds no case.
[[nodiscard]] std::vector<CaseFiles> find_cases(const std::filesystem::path&, std::string_view mask_suffix = {});

/// A label file and the case that it belongs to.
struct LabelFile {
  std::string id;
  std::filesystem::path file;
  bool hyphenated = false;
};

/// Label files of a folder, sorted by id: those of find_cases(), and files called ID.nii.gz in a folder without images.
/// Where the folder itself holds none, those below it. Throws DataError when the folder cannot be read or holds two for
/// one case; finds nothing without a word.
[[nodiscard]] std::vector<LabelFile> find_label_files(const std::filesystem::path&);
/// The same for a file that was named by hand.
[[nodiscard]] LabelFile label_file(const std::filesystem::path&);

}  // namespace vox
