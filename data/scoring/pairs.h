#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/cases/dataset.h"

namespace vox {

/// A label file and the one that was predicted for it.
struct LabelPair {
  LabelFile truth;
  LabelFile predicted;  ///< an empty path where there is none
};

struct LabelPairs {
  std::vector<LabelPair> pairs;     ///< every case of the truth, sorted by id
  std::vector<std::string> extras;  ///< prediction files that belong to no case of the truth
};

/// truth: a folder of cases or a list of their paths (data/cases/layout.h), a folder of label files, or one label file.
/// predicted: a folder of label files, or one where the truth is one.
/// Both are searched as find_label_files() does: the label file of case ID is ID.nii.gz, ID_seg.nii.gz or
/// ID-seg.nii.gz, with .nii as well and in any case. Throws DataError where a folder is not there, holds no labels,
/// holds two files for one case, or the truth holds a case without labels.
[[nodiscard]] LabelPairs pair_labels(const std::filesystem::path& truth, const std::filesystem::path& predicted);

}  // namespace vox
