#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/json.h"
#include "engine/ranks/communicator.h"
#include "tools/run/validation.h"

namespace vox {

/// predicted_class() of each voxel, from blocked scores.
[[nodiscard]] std::vector<std::uint8_t> predicted_classes(const Tensor& scores, Targets);

/// The predictions of a validation, kept small until it is known which of them are drawn.
class ValidationPictures {
 public:
  void keep(const PreparedFile&, const CaseValidation&, const Tensor& logits, Targets);
  void clear() { kept_.clear(); }
  /// What the ranks have kept of a validation of these files (validate()), as if one had. Collective.
  void gather(Communicator&, std::span<const std::filesystem::path> files);
  /// Worst, median and best by mean Dice, as case_picture() makes them: FLAIR where the cases have it, else their first
  /// image.
  [[nodiscard]] Json draw() const;

 private:
  struct Kept {
    std::string file;
    CaseValidation scores;
    std::size_t voxels = 0;
    std::string packed;  ///< classes, by zlib
  };
  std::vector<Kept> kept_;
};

}  // namespace vox
