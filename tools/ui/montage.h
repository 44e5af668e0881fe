#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data/image.h"
#include "tools/ui/picture.h"

namespace vox {

/// A case of a montage, looked at when it is added.
struct MontageTile {
  std::string title;
  std::string scores;  ///< a second line
  const Image* image;
  const LabelMap* prediction;       ///< classes 0..3
  const LabelMap* truth = nullptr;  ///< not drawn where absent
  std::int64_t slice = 0;           ///< axial
};

/// Cases in a grid, row by row: of each an axial slice with the prediction, and beside it the same with the truth.
class Montage {
 public:
  Montage(const std::string& title, std::int64_t tiles, std::int64_t columns);
  void add(const MontageTile&);
  void write(const std::filesystem::path& png) const;  ///< as Picture::write()

 private:
  std::int64_t columns_;
  std::int64_t added_ = 0;
  Picture page_;
};

}  // namespace vox
