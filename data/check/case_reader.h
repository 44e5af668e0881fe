#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/check/check.h"
#include "data/nifti/nifti.h"

namespace vox {

struct LoadedImage {
  std::string role;  ///< "t1", ..., or "mask"
  std::filesystem::path file;
  NiftiImage nifti;
};

/// The images of a case and what was found about them: the one way in for check, prepare and predict, so that all three
/// say the same of a case.
struct LoadedCase {
  std::vector<LoadedImage> images;  ///< those that could be read and have the usual extents, in the order asked for
  std::optional<LoadedImage> mask;  ///< likewise
  Geometry usual;                   ///< the grid that most images share; of no voxels where no image could be read
  std::string usual_role;           ///< an image that lies there
  std::vector<Finding> findings;    ///< of every severity, but for what takes a look at the brain
};

/// Reads the images of these modalities, and the mask where the case was searched with a suffix; `threads` files at a
/// time. Files that are not asked for are not looked at. Bad files are findings.
[[nodiscard]] LoadedCase load_case(const CaseFiles&, std::span<const Modality>, int threads);

/// What is wrong with a file's place, if anything: BT-010 or BT-011.
[[nodiscard]] std::optional<Finding> place_finding(const LoadedCase&, const Geometry&, const std::filesystem::path&);
/// What is unusual in a file's header: BT-012, BT-013, BT-014.
void add_header_findings(const NiftiImage&, const std::filesystem::path&, std::vector<Finding>&);
/// Are the voxels of a file worth a comparison: finite and not constant, by what was found?
[[nodiscard]] bool usable(const std::vector<Finding>&, const std::filesystem::path&);
/// What a file that was refused is called.
[[nodiscard]] Finding finding_of(const NiftiError&, const std::filesystem::path&);

/// Part of the volume in which any image is not 0: what counts as brain.
[[nodiscard]] double brain_fraction(std::span<const std::uint8_t> brain);
/// BT-026 where that is nearly all of it; the stripped brain fills a sixth of BraTS' volumes, and half of its own box.
[[nodiscard]] std::optional<Finding> brain_finding(std::span<const std::uint8_t> brain,
                                                   const std::filesystem::path& folder);

/// Throws DataError with every finding that stops, as describe() says it.
void throw_errors(const std::vector<Finding>&, const CheckRules&);

}  // namespace vox
