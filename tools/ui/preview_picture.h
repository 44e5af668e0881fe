#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"

namespace vox {

/// A sample as the network is shown it.
struct PreviewSample {
  std::string caption;
  std::vector<float> image;         ///< [C,D,H,W]
  std::vector<std::uint8_t> label;  ///< [D,H,W], classes 0..3
};

struct Preview {
  std::string title;
  std::vector<std::string> channels{};  ///< their names
  Extent3 size{};                       ///< of every sample
  std::vector<PreviewSample> samples{};
};

/// Rows: samples; columns: their channels in slice_to_show(), each in its own greys, with the borders of the classes in
/// the colours that an overlay has; a legend below. Voxels are square. Written whole or not at all.
void draw_preview(const std::filesystem::path& png, const Preview&);

}  // namespace vox
