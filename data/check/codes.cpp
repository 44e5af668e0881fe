#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "data/check/check.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

using enum Severity;

// In the order of enum class Check.
constexpr std::array<CheckCode, static_cast<std::size_t>(Check::count_)> kCodes{{
    {"BT-001", error, "modality missing", "Add the file, or leave the case out."},
    {"BT-002", error, "file cannot be opened",
     "Give back the file, its .img, or the permission to read it; a volume too large wants a machine with more "
     "memory."},
    {"BT-003", error, "not a NIfTI file", "Convert it to .nii.gz with a tool that knows its format."},
    {"BT-004", error, "file truncated or damaged", "Copy or download it again."},
    {"BT-005", error, "not one 3-D volume", "Split it, and keep the one volume that is meant."},
    {"BT-006", error, "voxel type not supported", "Convert the voxels to integers or floats."},
    {"BT-007", error, "voxel size or affine unusable", "Repair the header from the scan's source."},
    {"BT-008", error, "two files for one image", "Keep one of the two."},
    {"BT-009", error, "one case in two folders", "Keep one of the two, or rename the files of the other."},
    {"BT-010", error, "shape differs within the case", "Resample the images of the case to one grid."},
    {"BT-011", error, "place differs within the case", "Register the images of the case to one grid.", Lift::allow},
    {"BT-012", warning, "no orientation in the file",
     "Check left and right by eye: R, A, S was assumed; then set the sform."},
    {"BT-013", note, "unit of length not named", "Nothing, where the lengths are in mm, as is assumed."},
    {"BT-014", warning, "voxel size unlikely", "Look at the voxel edges and their unit in the header."},
    {"BT-020", error, "values not finite", "Find where NaN or infinity comes from; replace them before preparing."},
    {"BT-021", error, "image empty or constant", "Export the image again, or leave the case out.", Lift::allow},
    {"BT-022", note, "negative values", "Nothing, if the image was filtered or normalised before."},
    {"BT-023", error, "two modalities are the same image", "Find out which file is the wrong one and replace it.",
     Lift::allow},
    {"BT-024", warning, "image covers part of the brain only", "Look at it; leave the case out if the tumour is cut."},
    {"BT-025", warning, "image looks flipped", "Look at it beside the others; flip it back if it is."},
    {"BT-026", warning, "no background",
     "Set what is not brain to 0, or give a mask (--mask-suffix): zscore would count the background as brain.",
     Lift::allow},
    {"BT-030", note, "no labels", "Nothing for prediction; for training and evaluation the labels are needed."},
    {"BT-031", error, "labels are not integers", "Resample labels with nearest neighbour, and write integers."},
    {"BT-032", error, "unknown label", "Map the labels to the numbers of one edition: docs/editions.md lists them."},
    {"BT-033", warning, "labels are all background", "Look whether the labels belong to the case."},
    {"BT-034", note, "no enhancing tumour", "Nothing: it occurs; scores for the enhancing tumour treat it specially."},
    {"BT-035", warning, "labels outside the brain", "Look at the voxels; a few at the rim are usual in BraTS 2018."},
    {"BT-036", warning, "tumour lost by the tutorial's crop", "Prepare with the recipe seed or zscore instead."},
    {"BT-037", note, "tumour below the tutorial's 1 % rule", "Nothing: the recipe tutorial leaves the case out."},
    {"BT-038", note, "labels of BraTS 2023", "Nothing: 3 is taken as enhancing tumour, which is 4 in BraTS 2018-2021."},
    {"BT-039", error, "labels ambiguous", "Find out which edition the labels are of, and say so with --labels."},
    {"BT-040", warning, "file misnamed", "Rename it to ID_seg.nii.gz, so that other tools find it as well."},
    {"BT-041", warning, "same images as another case", "Leave one out, or training and validation share a patient."},
}};
static_assert(!kCodes.back().code.empty(), "kCodes is shorter than enum class Check");

}  // namespace

std::string_view name(Severity s) {
  constexpr std::array<std::string_view, 3> kNames{"note", "warning", "error"};
  return kNames[static_cast<std::size_t>(s)];
}

const CheckCode& code_of(Check check) { return kCodes[static_cast<std::size_t>(check)]; }

std::vector<Check> allowed_findings(const std::vector<std::string>& codes) {
  std::vector<Check> allowed;
  std::string liftable;
  for (const CheckCode& c : kCodes) {
    if (c.lift == Lift::allow) { liftable += fmt::format("{}{}", liftable.empty() ? "" : ", ", c.code); }
  }
  for (const std::string& wanted : codes) {
    const auto* const found = std::ranges::find(kCodes, std::string_view(wanted), &CheckCode::code);
    VOX_CHECK(found != kCodes.end(), "--allow {}: there is no such code; those that can be allowed are {}", wanted,
              liftable);
    VOX_CHECK(found->lift == Lift::allow,
              "--allow {}: '{}' cannot be allowed, nothing could be made of such a case; {} can", wanted, found->title,
              liftable);
    allowed.push_back(static_cast<Check>(found - kCodes.begin()));
  }
  return allowed;
}

std::string describe(const Finding& f) {
  const CheckCode& c = code_of(f.check);
  return fmt::format("{} {}: {}: {}. {}{}", c.code, c.title, f.file.string(), f.message, c.advice,
                     c.lift == Lift::allow ? fmt::format(" (--allow {} goes on all the same)", c.code) : "");
}

bool CheckRules::stops(Check check) const {
  return code_of(check).severity == Severity::error && std::ranges::find(allowed, check) == allowed.end();
}

}  // namespace vox
