#pragma once

#include <filesystem>
#include <string>

#include "data/image.h"
#include "tools/ui/overlay_planes.h"

namespace vox {

struct Overlay {
  std::string title;
  std::string modality;
  const Image* image;
  const LabelMap* prediction;       ///< classes 0..3
  const LabelMap* truth = nullptr;  ///< not drawn where absent
  Slices slices{};
};

/// Rows: axial, coronal, sagittal; columns: image, prediction, truth; a legend below. Written whole or not at all;
/// throws DataError where it cannot be. Where there is no font, words are drawn with plain built-in letters, and stderr
/// says so.
void draw_overlay(const std::filesystem::path& png, const Overlay&);

}  // namespace vox
