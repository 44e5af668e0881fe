#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/cases/dataset.h"

namespace vox {

class Communicator;

// How a data set lays its files out. docs/layouts.md shows each.

enum class CaseLayout : std::uint8_t {
  brats,   ///< files named ID_t1.nii.gz or ID-t1n.nii.gz, anywhere below the folder
  msd,     ///< Medical Segmentation Decathlon: dataset.json, and one 4-D file of a case in imagesTr
  nnunet,  ///< nnU-Net's raw folder: dataset.json, and CASE_0000.nii.gz, CASE_0001.nii.gz, ... in imagesTr
  bids,    ///< Brain Imaging Data Structure: sub-ID/[ses-ID/]anat, labels there or in derivatives
  list     ///< a file of paths: CSV or JSON
};
inline constexpr std::array<CaseLayout, 5> kCaseLayouts{CaseLayout::brats, CaseLayout::msd, CaseLayout::nnunet,
                                                        CaseLayout::bids, CaseLayout::list};
[[nodiscard]] std::string_view name(CaseLayout);
/// "auto" or the name of a layout; throws Error for anything else.
[[nodiscard]] std::optional<CaseLayout> layout_option(const std::string& text);

struct Dataset {
  CaseLayout layout = CaseLayout::brats;
  std::string why;                 ///< what it was recognised by
  std::vector<CaseFiles> cases;    ///< sorted by id
  std::vector<std::string> notes;  ///< what a channel and a label stand for, and what is passed over
};
/// "layout nnunet (dataset.json, ...): 24 cases" and the notes, a line each.
[[nodiscard]] std::string describe(const Dataset&);
/// Throws Error unless all ranks have found the same cases below this input (engine/ranks/deal.h). Collective.
void check_same_cases(Communicator&, const Dataset&, const std::filesystem::path& input);

/// The cases below a folder, or those of a list. Without `layout` it is the one of which there are signs. mask_suffix
/// as find_cases(); brats and bids alone have files beside the images that could be masks, a list has a column.
/// Throws DataError: no such path, no case, signs of two layouts, a dataset.json that contradicts the files, DICOM or
/// MetaImage in place of NIfTI.
[[nodiscard]] Dataset find_dataset(const std::filesystem::path&, std::optional<CaseLayout> layout = {},
                                   std::string_view mask_suffix = {});

/// Is it a file of paths, or a folder with signs of msd, nnunet or bids?
[[nodiscard]] bool has_layout(const std::filesystem::path&);

/// Where the cases have a dataset.json, writes one beside label files of a convention that were made of them, so that
/// whoever reads those knows the labels. Otherwise throws DataError where there is one, which would be read for them.
void name_labels(const Dataset&, LabelConvention, const std::filesystem::path& folder);

}  // namespace vox
