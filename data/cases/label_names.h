#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/cases/label_convention.h"

namespace vox {

// Labels that a file beside the cases names: dataset.json of nnU-Net and of the Medical Segmentation Decathlon,
// dseg.tsv of BIDS. Names decide what a number stands for, before any guess from names of cases.

/// What a label's name says, in any of the words that the data sets use: "peritumoral edema", "SNFH", "NCR/NET", ...
enum class LabelMeaning : std::uint8_t { background, necrotic, oedema, enhancing, cavity, whole, core, ignored };
[[nodiscard]] std::optional<LabelMeaning> label_meaning(std::string_view name);

/// A name and the numbers that it stands for: one of a label, several of a region such as the whole tumour.
struct NamedLabel {
  std::string name;
  std::vector<std::int64_t> values;
};

/// The convention that names say, or why they say none.
struct StatedLabels {
  std::optional<LabelConvention> convention;
  std::string text;    ///< "DIR/dataset.json names 'edema' 1, ..."; where there is no convention, what is wrong
  std::string source;  ///< "dataset.json"
};
/// source: the file that names them, for the text. The convention is the one that gives every number named the class
/// that its name says, and best has no other number; each of the three classes of a tumour must have a name.
[[nodiscard]] StatedLabels stated_labels(const std::string& source, const std::vector<NamedLabel>&);

}  // namespace vox
