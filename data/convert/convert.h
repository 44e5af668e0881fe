#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/cases/layout.h"

namespace vox {

struct ConvertOptions {
  std::filesystem::path input;
  std::filesystem::path output;                ///< is not there, or an empty folder
  CaseLayout to = CaseLayout::nnunet;          ///< nnunet, brats or msd
  std::optional<CaseLayout> layout = {};       ///< of the input; see find_dataset()
  std::optional<LabelConvention> labels = {};  ///< of all label files of the input; found case by case where not given
  int threads = 1;                             ///< cases at a time; msd holds the four volumes of each
  std::function<void(std::int64_t done, std::int64_t total)> on_case = {};  ///< as cases end, one at a time
};

struct ConvertReport {
  Dataset input;
  std::int64_t labelled = 0;
  std::int64_t labels_kept = 0;          ///< label files whose bytes are those of the input
  std::int64_t cavity_voxels = 0;        ///< of a resection cavity, which became background
  std::vector<LabelConvention> written;  ///< the conventions of the labels written, each once
};

/// Writes the cases of a data set in another layout; images keep their voxels, and where a file is one volume and
/// gzipped its bytes. Labels are written in the layout's numbers: msd for nnunet and msd, for brats those that a file
/// of the case's name is read as. Classes are kept, and what an edition has beyond them is not: a resection cavity
/// becomes background, cyst and non-enhancing tumour become one. The folder appears whole or not at all. Throws
/// DataError naming every case that lacks an image, has one twice, images in different places or labels that are not
/// settled.
[[nodiscard]] ConvertReport convert_dataset(const ConvertOptions&);

}  // namespace vox
