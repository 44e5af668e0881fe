#include "data/cases/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

#include "data/cases/case_id.h"
#include "data/cases/dataset_json.h"
#include "data/cases/layout_files.h"
#include "engine/atomic_file.h"
#include "engine/ranks/deal.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

std::string lower_ending(const fs::path& file) { return lower_case(file.extension().string()); }

bool is_list(const fs::path& file) {
  const std::string ending = lower_ending(file);
  return ending == ".csv" || ending == ".json";
}

bool is_dicom(const fs::path& file) {
  const std::string ending = lower_ending(file);
  if (ending == ".dcm" || ending == ".ima") { return true; }
  if (ending == ".gz" || ending == ".nii") { return false; }
  const std::string start = read_start(file, 132);
  return start.size() == 132 && start.ends_with("DICM");
}

/// What to do with scans in another format: "" where it is none that is known.
std::string advice_for(const fs::path& file) {
  const std::string ending = lower_ending(file);
  if (ending == ".mha" || ending == ".mhd" || ending == ".nrrd" || ending == ".mgz" || ending == ".mnc") {
    return fmt::format(
        "'{}' is no NIfTI file. Convert such files first, with SimpleITK: WriteImage(ReadImage('A{}'), 'A.nii.gz')",
        file.string(), ending);
  }
  if (is_dicom(file)) {
    return fmt::format(
        "'{}' is DICOM. Convert the series first: dcm2niix -z y -f %i_%p -o OUT '{}', and name the files "
        "or a list of them as docs/layouts.md shows",
        file.string(), file.has_parent_path() ? file.parent_path().string() : ".");
  }
  return {};
}

/// The first file below that is a scan in another format; not looked for in more than a few thousand files.
std::string foreign_below(const fs::path& folder) {
  constexpr int kMostFiles = 5000;
  int files = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; at != end && files < kMostFiles; at.increment(error)) {
    if (error) { break; }
    if (!at->is_regular_file(error) || is_hidden(at->path())) { continue; }
    ++files;
    if (std::string advice = advice_for(at->path()); !advice.empty()) { return advice; }
  }
  return {};
}

/// BraTS' files, but not those of BIDS, of which some end alike: sub-01_FLAIR.
bool has_brats_images(const fs::path& folder, bool beside_bids) {
  return std::ranges::any_of(brats_cases(folder, {}), [&](const CaseFiles& c) {
    const bool image = std::ranges::any_of(c.images, [](const fs::path& p) { return !p.empty(); });
    return image && !(beside_bids && c.id.starts_with("sub-"));
  });
}

constexpr std::string_view kBratsFiles = "files called ID_t1, ID_flair and so on, or ID-t1n, ID-t2f";

struct Sign {
  CaseLayout layout;
  std::string why;
};

std::vector<Sign> signs_of(const fs::path& folder) {
  std::vector<Sign> signs;
  const auto images = images_folder(folder);
  if (images && images->numbered) {
    signs.push_back({CaseLayout::nnunet, fmt::format("files called CASE_0000 in '{}'", images->images.string())});
  } else if (images && !images->json.empty()) {
    signs.push_back({CaseLayout::msd, fmt::format("'{}', and files without a channel's number in '{}'",
                                                  images->json.string(), images->images.string())});
  }
  const auto subjects = bids_subjects(folder);
  if (!subjects.empty()) {
    signs.push_back({CaseLayout::bids, fmt::format("'{}' with a folder anat", subjects.front().string())});
  }
  if (signs.empty() || has_brats_images(folder, !subjects.empty())) {
    signs.push_back({CaseLayout::brats, fmt::format("{}", kBratsFiles)});
  }
  return signs;
}

Dataset read_brats(const fs::path& folder, std::string_view mask_suffix) {
  Dataset d{.layout = CaseLayout::brats, .why = {}, .cases = brats_cases(folder, mask_suffix), .notes = {}};
  if (!d.cases.empty()) { return d; }
  const std::string foreign = foreign_below(folder);
  VOX_CHECK_DATA(foreign.empty(), "no case below '{}': {}", folder.string(), foreign);
  VOX_FAIL_DATA(
      "no case below '{}': wants files called ID_{{t1,t1ce,t2,flair,seg}}.nii.gz (BraTS 2018-2021) or "
      "ID-{{t1n,t1c,t2w,t2f,seg}}.nii.gz (BraTS 2023), .nii as well; or a folder as nnU-Net "
      "(imagesTr/CASE_0000.nii.gz, "
      "dataset.json), the Medical Segmentation Decathlon (imagesTr/CASE.nii.gz, dataset.json) or BIDS (sub-ID/anat) "
      "has it; or a list of paths, .csv or .json (docs/layouts.md)",
      folder.string());
}

Dataset read_as(CaseLayout layout, const fs::path& folder, std::string_view mask_suffix) {
  VOX_CHECK_DATA(layout != CaseLayout::list, "'{}' is a folder; --layout list wants a .csv or .json file of paths",
                 folder.string());
  if (layout == CaseLayout::brats) { return read_brats(folder, mask_suffix); }
  if (layout == CaseLayout::bids) {
    VOX_CHECK_DATA(!bids_subjects(folder).empty(), "'{}' is no BIDS folder: no sub-ID/anat or sub-ID/ses-ID/anat in it",
                   folder.string());
    return bids_cases(folder, mask_suffix);
  }
  VOX_CHECK_DATA(
      mask_suffix.empty(),
      "--mask-suffix: layout {} has no place for masks; a list of paths has a column brain_mask (docs/layouts.md)",
      name(layout));
  const auto images = images_folder(folder);
  VOX_CHECK_DATA(images, "'{}' is no folder of layout {}: no imagesTr or imagesTs with NIfTI files in it",
                 folder.string(), name(layout));
  VOX_CHECK_DATA(
      !images->json.empty(),
      "'{}' has files as {} names them, and no dataset.json, there or above, which says what each channel is; "
      "copy it there, or give a list of paths (docs/layouts.md)",
      images->images.string(), layout == CaseLayout::nnunet ? "nnU-Net" : "the Medical Segmentation Decathlon");
  return layout == CaseLayout::nnunet ? nnunet_cases(*images) : msd_cases(*images);
}

}  // namespace

std::string own_name(const fs::path& folder) {
  return fs::absolute(folder / ".").lexically_normal().parent_path().filename().string();
}

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string text_of(const fs::path& file) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 28U;
  std::string text = read_regular(file, kMostBytes);
  if (text.starts_with("\xEF\xBB\xBF")) { text.erase(0, 3); }
  return text;
}

std::string_view name(CaseLayout l) {
  constexpr std::array<std::string_view, kCaseLayouts.size()> kNames{"brats", "msd", "nnunet", "bids", "list"};
  return kNames[static_cast<std::size_t>(l)];
}

std::optional<CaseLayout> layout_option(const std::string& text) {
  if (text == "auto") { return {}; }
  const auto* const found =
      std::ranges::find(kCaseLayouts, std::string_view(text), [](CaseLayout l) { return name(l); });
  VOX_CHECK(found != kCaseLayouts.end(), "--layout is '{}'; wants auto, brats, msd, nnunet, bids or list", text);
  return *found;
}

bool has_layout(const fs::path& path) {
  if (!is_folder(path)) { return is_list(path); }
  return images_folder(path) || !bids_subjects(path).empty();
}

void name_labels(const Dataset& d, LabelConvention c, const fs::path& folder) {
  const fs::path file = folder / "dataset.json";
  if (d.layout == CaseLayout::nnunet || d.layout == CaseLayout::msd) {
    std::vector<std::string> channels;
    channels.reserve(kModalities.size());
    for (const Modality m : kModalities) { channels.emplace_back(name(m)); }
    write_file(file, nnunet_dataset_json(c, channels, std::ssize(d.cases)));
    return;
  }
  VOX_CHECK_DATA(!is_there(file),
                 "{}: is there already, of another data set, and would be read for the labels' names: choose another "
                 "folder, or remove it",
                 file.string());
}

void check_same_cases(Communicator& ranks, const Dataset& dataset, const fs::path& input) {
  std::string ids;
  for (const CaseFiles& c : dataset.cases) { ids += c.id + '\n'; }
  check_same_on_ranks(ranks, ids, input.string() + ": cases");
}

std::string describe(const Dataset& d) {
  std::string text = fmt::format("layout {} ({}): {} {}", name(d.layout), d.why, d.cases.size(),
                                 d.cases.size() == 1 ? "case" : "cases");
  for (const std::string& note : d.notes) { text += "\n  " + note; }
  return text;
}

Dataset find_dataset(const fs::path& path, std::optional<CaseLayout> layout, std::string_view mask_suffix) {
  VOX_CHECK_DATA(is_there(path), "the folder '{}' is not there", path.string());
  Dataset d;
  std::string why = "--layout";
  if (!is_folder(path)) {
    const std::string foreign = is_list(path) ? "" : advice_for(path);
    VOX_CHECK_DATA(foreign.empty(), "{}", foreign);
    VOX_CHECK_DATA(is_list(path) || layout == CaseLayout::list,
                   "'{}' is a file; wants a folder of cases, or a list of paths (.csv, .json)", path.string());
    VOX_CHECK_DATA(mask_suffix.empty(), "--mask-suffix: a list of paths has a column brain_mask (docs/layouts.md)");
    VOX_CHECK_DATA(!layout || layout == CaseLayout::list, "'{}' is a file; --layout {} wants a folder", path.string(),
                   name(*layout));
    d = list_cases(path);
    if (!layout) { why = "a file of paths"; }
  } else {
    if (!layout) {
      const std::vector<Sign> signs = signs_of(path);
      VOX_CHECK_DATA(signs.size() == 1,
                     "'{}' has signs of two layouts: {} ({}) and {} ({}); say which with --layout {}, or "
                     "name a folder that holds one alone",
                     path.string(), name(signs[0].layout), signs[0].why, name(signs[1].layout), signs[1].why,
                     name(signs[0].layout));
      layout = signs.front().layout;
      why = signs.front().why;
    }
    d = read_as(*layout, path, mask_suffix);
  }
  d.why = why;
  for (const CaseFiles& c : d.cases) {
    VOX_CHECK_DATA(is_case_id(c.id), "{}: the id '{}' cannot be a file's name, or holds a control character",
                   path.string(), c.id);
  }
  std::ranges::stable_sort(d.cases, {}, &CaseFiles::id);
  return d;
}

}  // namespace vox
