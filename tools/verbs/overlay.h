#pragma once

#include <filesystem>
#include <string>

#include "data/cases/dataset.h"
#include "data/image.h"

namespace vox {

struct OverlayOptions {
  std::filesystem::path input;
  std::filesystem::path segmentation;
  std::filesystem::path truth;
  std::filesystem::path output;
  std::string case_id;
  std::string modality = "flair";
  std::string slice = "auto";
  std::string labels = "auto";
  bool montage = false;
  std::string order = "worst";
  std::int64_t most = 24;
  std::int64_t columns = 4;
};

/// The modality that --modality names. Throws DataError where the case has no image of it.
[[nodiscard]] Modality modality_of(const CaseFiles&, const OverlayOptions&);

/// The classes of a label file that lies on the image's grid. Throws DataError where it does not.
[[nodiscard]] LabelMap read_classes_on(const LabelFile&, const OverlayOptions&, const std::string& image_name,
                                       const Geometry& grid);

/// overlay --montage: cases and predictions of two folders in one picture.
void draw_montage(const OverlayOptions&);

}  // namespace vox
