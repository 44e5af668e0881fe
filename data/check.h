#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

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
  shape_mismatch,
  affine_mismatch,
  no_orientation,
  non_finite,
  constant_image,
  negative_values,
  same_image_twice,
  partial_coverage,
  flipped_image,
  no_labels,
  labels_not_integers,
  unknown_label,
  labels_all_background,
  no_enhancing_tumour,
  labels_outside_brain,
  lost_by_tutorial_crop,
  below_tumour_rule,
  labels_of_brats2023,
  misnamed_file,
  same_case_twice,
  count_
};

struct CheckCode {
  std::string_view code;  ///< "BT-001": stable, scripts may rely on it
  Severity severity;
  std::string_view title;
  std::string_view advice;  ///< what to do, one sentence
};
[[nodiscard]] const CheckCode& code_of(Check);

struct Finding {
  Check check;
  std::filesystem::path file;  ///< or the folder, for what concerns the case
  std::string message;         ///< what was found, with figures
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
[[nodiscard]] CaseCheck check_case(const CaseFiles&, std::vector<ImageHash>* hashes = nullptr);

struct CheckReport {
  std::vector<CaseCheck> cases;  ///< sorted by id, whatever the number of threads
  [[nodiscard]] std::int64_t count(Severity) const;
};
/// Every case below a folder, `threads` cases at a time (about 250 MB each for BraTS), and across cases: the same
/// images under two ids. on_case is called as cases end, one at a time. Throws DataError as find_cases() does.
[[nodiscard]] CheckReport check_cases(const std::filesystem::path&, int threads,
                                      const std::function<void(std::int64_t done, std::int64_t total)>& on_case = {});

}  // namespace vox
