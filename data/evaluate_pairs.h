#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vox {

/// A label file and the one that was predicted for it.
struct LabelPair {
  std::string id;
  std::filesystem::path truth;
  std::filesystem::path predicted;  ///< empty where there is none
};

struct LabelPairs {
  std::vector<LabelPair> pairs;     ///< every case of the truth, sorted by id
  std::vector<std::string> extras;  ///< prediction files that belong to no case of the truth
};

/// truth: a folder of BraTS cases, one such case, a folder of label files, or one label file.
/// predicted: a folder of label files, or one where the truth is one.
/// The label file of case ID is ID.nii.gz, ID.nii, or the same with _seg or -seg after ID.
/// Throws DataError where a folder is not there, holds no labels, or holds two files for one case.
[[nodiscard]] LabelPairs pair_labels(const std::filesystem::path& truth, const std::filesystem::path& predicted);

}  // namespace vox
