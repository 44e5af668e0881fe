#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/cases/dataset.h"
#include "data/cases/edition.h"
#include "data/cases/layout.h"

namespace vox {

enum class Severity : std::uint8_t { note, warning, error };
[[nodiscard]] std::string_view name(Severity);

/// What `check` looks for. docs/check-codes.md says the same at length; a test compares the two.
enum class Check : std::uint8_t {
  missing_modality,
  unreadable,
  not_nifti,
  damaged,
  not_one_volume,
  unsupported_type,
  bad_geometry,
  two_files,
  two_folders,
  shape_mismatch,
  affine_mismatch,
  no_orientation,
  unit_unknown,
  odd_voxel_size,
  non_finite,
  constant_image,
  negative_values,
  same_image_twice,
  partial_coverage,
  flipped_image,
  brain_fills_volume,
  no_labels,
  labels_not_integers,
  unknown_label,
  labels_all_background,
  no_enhancing_tumour,
  labels_outside_brain,
  lost_by_tutorial_crop,
  below_tumour_rule,
  labels_of_brats2023,
  labels_ambiguous,
  misnamed_file,
  same_case_twice,
  count_
};

/// Does an error stop prepare and predict for good, or can --allow lift it?
enum class Lift : std::uint8_t { never, allow };

struct CheckCode {
  std::string_view code;  ///< "BT-001": stable, scripts may rely on it
  Severity severity;
  std::string_view title;
  std::string_view advice;  ///< what to do, one sentence
  Lift lift = Lift::never;
};
[[nodiscard]] const CheckCode& code_of(Check);
/// The findings that were given as codes to --allow; throws Error for one that is unknown or cannot be lifted.
[[nodiscard]] std::vector<Check> allowed_findings(const std::vector<std::string>& codes);

struct Finding {
  Check check;
  std::filesystem::path file;  ///< or the folder, for what concerns the case
  std::string message;         ///< what was found, with figures
};
/// The finding as prepare, predict, evaluate and overlay say it: code, title, file, message and advice.
[[nodiscard]] std::string describe(const Finding&);

/// What a case is examined by.
struct CheckRules {
  LabelRules labels;
  std::vector<Check> allowed;             ///< errors that stop nothing
  [[nodiscard]] bool stops(Check) const;  ///< an error that is not allowed
};

struct CaseCheck {
  std::string id;
  std::filesystem::path folder;
  std::optional<LabelConvention> labels;  ///< the convention chosen; empty without usable labels
  std::vector<Finding> findings;          ///< sorted by code
};

/// Names the content of an image, whatever its file looks like.
struct ImageHash {
  std::uint64_t hash;  ///< xxh3-64 over extents and voxels, after reorientation and scaling
  std::filesystem::path file;
};
/// One case: reads its files on the calling thread. Bad files are findings, never exceptions. `hashes` receives those
/// of the images that are not constant.
[[nodiscard]] CaseCheck check_case(const CaseFiles&, const CheckRules& = {}, std::vector<ImageHash>* hashes = nullptr);

struct CheckReport {
  CaseLayout layout = CaseLayout::brats;  ///< of the input
  std::string found;                      ///< describe() of the data set
  std::vector<CaseCheck> cases;           ///< sorted by id, whatever the number of threads
  [[nodiscard]] std::int64_t count(Severity) const;
};
struct CheckOptions {
  std::filesystem::path input;
  std::optional<LabelConvention> labels = {};  ///< of all label files; found case by case where it is not given
  std::string mask_suffix = {};                ///< masks are images that every case must have; empty: there are none
  std::optional<CaseLayout> layout = {};       ///< see find_dataset()
  int threads = 1;                             ///< cases at a time, about 250 MB each for BraTS
  std::function<void(std::int64_t done, std::int64_t total)> on_case = {};  ///< as cases end, one at a time
};
/// Every case below a folder, and across cases: the same images under two ids. Throws DataError as find_cases() does.
[[nodiscard]] CheckReport check_cases(const CheckOptions&);

}  // namespace vox
