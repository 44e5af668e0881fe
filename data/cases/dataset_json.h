#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/cases/label_names.h"
#include "data/cases/names.h"

namespace vox {

/// dataset.json of nnU-Net (version 2: channel_names, labels by name; version 1: modality, labels by number) and of the
/// Medical Segmentation Decathlon, which is that of version 1.
struct DatasetJson {
  std::filesystem::path file;
  std::vector<std::string> channels;  ///< names, in the order of their numbers
  std::vector<NamedLabel> labels;
  std::optional<std::int64_t> training_cases;  ///< numTraining
  std::vector<std::string> training;           ///< image files that it lists, as it has them
  std::vector<std::string> test;
};
/// Throws DataError naming the file: no JSON, keys that are missing or of another kind, a file_ending that is not
/// NIfTI's, files listed under "dataset".
[[nodiscard]] DatasetJson read_dataset_json(const std::filesystem::path&);

/// Which channel each image is.
struct ChannelMap {
  std::array<std::int64_t, 4> channel{-1, -1, -1, -1};  ///< indexed by Modality; -1: none is
  std::int64_t count = 0;                               ///< of channels
  std::string text;                                     ///< "0 'FLAIR' flair, 1 'T1w' t1, ..."
};
/// Throws DataError where two channels are one image, or an unknown name may be an image that is missing.
[[nodiscard]] ChannelMap map_channels(const DatasetJson&);

/// The dataset.json that speaks of the label files of a folder: there, or above a folder labelsTr or labelsTs.
[[nodiscard]] std::optional<StatedLabels> labels_stated_for(const std::filesystem::path& folder);

/// What nnU-Net, and this reader, want beside files with the labels of a convention: channels in the order given,
/// regions for nnU-Net to train on where the labels are those of msd.
[[nodiscard]] std::string nnunet_dataset_json(LabelConvention, const std::vector<std::string>& channels,
                                              std::int64_t training_cases);

}  // namespace vox
