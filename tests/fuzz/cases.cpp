// Folders of cases: what is looked for in them, a data set of BIDS and its tables, a case that is checked, which
// edition labels are of, two segmentations that are scored.
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <vector>

#include "data/cases/layout_files.h"
#include "data/check/check.h"
#include "data/check/read_classes.h"
#include "data/nifti/copy.h"
#include "data/scoring/evaluate.h"
#include "data/scoring/pairs.h"
#include "kernels/base/check.h"
#include "tests/fuzz/target.h"
#include "tools/run/run_record.h"

namespace vox::fuzz {
namespace {

namespace fs = std::filesystem;

void require_file_names(const std::vector<CaseFiles>& cases) {
  for (const CaseFiles& c : cases) {
    require(!c.id.empty() && c.id.find('/') == std::string::npos && c.id.find('\0') == std::string::npos,
            "an id that is no file's name");
  }
}

/// All of check.
void require_words(const CaseFiles& c) {
  std::vector<ImageHash> hashes;
  const CaseCheck found = check_case(c, {}, &hashes);
  for (const Finding& f : found.findings) { require(!describe(f).empty(), "a finding without words"); }
}

bool is_score(double x) { return std::isfinite(x) && x >= 0; }

}  // namespace

/// Names of files below a folder, a line each; behind a tab what is in one.
void fuzz_folder(std::string_view bytes) {
  constexpr std::size_t kMostFiles = 24;
  const fs::path root = emptied_folder("folder");
  std::size_t files = 0;
  for (std::size_t at = 0; at < bytes.size() && files < kMostFiles; ++files) {
    const std::string_view line = bytes.substr(at, bytes.find('\n', at) - at);
    at += line.size() + 1;
    const fs::path name = fs::path(line.substr(0, line.find('\t'))).lexically_normal();
    const bool below = !name.empty() && name.is_relative() && name.has_filename() && *name.begin() != ".." &&
                       name != "." && line.find('\0') == std::string_view::npos && name.native().size() < 200;
    if (!below) { continue; }
    std::error_code error;
    fs::create_directories((root / name).parent_path(), error);
    if (error || fs::is_directory(root / name, error)) { continue; }
    put_file(root / name, line.substr(std::min(line.find('\t'), line.size() - 1) + 1));
  }
  const auto look = [&](const auto& read) {
    try {
      read();
    } catch (const Error&) {}  // a refusal, and the next
  };
  look([&] { require_file_names(find_dataset(root).cases); });
  for (const CaseLayout layout : kCaseLayouts) {
    look([&] { require_file_names(find_dataset(root, layout, layout == CaseLayout::bids ? "mask" : "").cases); });
  }
  look([&] { static_cast<void>(pair_labels(root, root)); });
  look([&] { static_cast<void>(is_series_folder(root)); });
}

/// dseg.tsv of a data set of BIDS.
void fuzz_bids_labels(std::string_view bytes) {
  static const fs::path root = [] {
    fs::path made = emptied_folder("bids");
    for (const char* const suffix : {"T1w", "FLAIR", "dseg"}) {
      fs::create_directories(made / "sub-1/anat");
      put_file(made / (std::string("sub-1/anat/sub-1_") + suffix + ".nii"), "");
    }
    return made;
  }();
  put_file(root / "dseg.tsv", bytes);
  const Dataset d = bids_cases(root, "");
  require(d.cases.size() == 1, "not as many cases as there are");
}

/// An image of a case and its labels, the one behind the other; the other three images are sound.
void fuzz_case(std::string_view bytes) {
  static const fs::path root = emptied_folder("case");
  const auto [image, labels] = two_parts(bytes);
  CaseFiles c;
  c.id = "a";
  c.folder = root;
  for (std::size_t i = 0; i < c.images.size(); ++i) {
    c.images[i] = root / ("a_" + std::to_string(i) + ".nii");
    put_file(c.images[i], i == 1 ? image : small_volume());
  }
  c.labels = root / "a_seg.nii";
  put_file(c.labels, labels);
  require_words(c);
}

/// All images of a case in one file, and its labels: checked, read one by one, and both put into one file.
void fuzz_case_volumes(std::string_view bytes) {
  static const fs::path root = emptied_folder("volumes");
  const auto [images, labels] = two_parts(bytes);
  CaseFiles c;
  c.id = "a";
  c.folder = root;
  c.images.fill(root / "a.nii");
  c.volume = {0, 1, 2, 3};
  c.volumes = 4;
  c.labels = root / "a_seg.nii";
  put_file(c.images[0], images);
  put_file(c.labels, labels);
  require_words(c);
  for (const Modality m : kModalities) { require(!c.image_name(m).empty(), "an image without a name"); }
  const std::array all{read_image(c, Modality::t1ce), read_nifti(c.labels)};
  const std::array<StackedVolume, 2> both{StackedVolume{c.image(Modality::t1ce), 1, 4}, StackedVolume{c.labels, 0, 1}};
  const fs::path stacked = root / "stacked.nii.gz";
  stack_volumes(both, stacked);
  const std::array<std::int64_t, 2> which{0, 1};
  const std::vector<NiftiImage> again = read_nifti_volumes(stacked, which, 2);
  for (std::size_t i = 0; i < all.size(); ++i) {
    require(same_values(again[i].image.values, all[i].image.values), "another volume when stacked");
  }
}

/// Names of two label files, a line each, and what dataset.json says of them; then both files. What one is read as is
/// what it is read as again once its classes are written under its name.
void fuzz_editions(std::string_view bytes) {
  const fs::path root = emptied_folder("editions");
  const auto [head, files] = two_parts(bytes);
  const auto first = two_parts(files);
  const std::size_t end = std::min(head.find('\n'), head.size());
  const std::size_t second = std::min(head.find('\n', end + 1), head.size());
  const std::array names{head.substr(0, end),
                         head.substr(std::min(end + 1, second), second - std::min(end + 1, second))};
  const std::string_view said = head.substr(std::min(second + 1, head.size()));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool is_name = !names[i].empty() && names[i].size() < 100 && names[i].find('/') == std::string_view::npos &&
                         names[i].find('\0') == std::string_view::npos;
    if (is_name) { put_file(root / (std::string(names[i]) + ".nii"), first[i]); }
  }
  if (!said.empty()) { put_file(root / "dataset.json", said); }
  const std::vector<LabelFile> found = find_label_files(root);
  const LabelRules rules = label_rules(std::nullopt, found, 1);
  for (const LabelFile& f : found) {
    const ClassMap read = read_classes(f, rules);
    require(std::ranges::all_of(read.classes.values, [](int v) { return v < kClasses; }), "a class that is none");
    require(std::ranges::all_of(read.parts, [](int v) { return v <= kCyst; }), "a part that is none");
    require(enhancing_label(read.convention) > 0 && !read.reason.empty(), "an edition without a reason");
    const NameFamily family = family_of(f.id, f.hyphenated);
    if (f.stated || family == NameFamily::ped || family == NameFamily::gtv) { continue; }  // which want --labels
    LabelMap written = read.classes;
    to_labels(written.values, convention_for_output(family));
    write_nifti(f.file, written);
    require(read_classes(f, {}).classes.values == read.classes.values, "other classes when written and read again");
  }
}

/// A truth and a prediction, scored by every convention.
void fuzz_masks(std::string_view bytes) {
  constexpr std::int64_t kMostVoxels = 1 << 12;  // what HD95 takes grows faster than a file
  const auto [truth, predicted] = two_parts(bytes);
  EvaluateOptions options;
  options.truth = file_with("truth.nii", truth);
  options.predicted = file_with("predicted.nii", predicted);
  if (read_nifti_geometry(options.truth).voxels() > kMostVoxels) { return; }
  for (const Convention& c : all_conventions()) { options.as.push_back(&c); }
  const Evaluation e = evaluate(options);
  for (const EvaluatedCase& c : e.cases) {
    for (const RegionScores& r : c.scores) {
      require(is_score(r.dice) && r.dice <= 1 && is_score(r.hd95_mm) && is_score(r.iou), "a score that is none");
    }
  }
  require(!summary_json(e).empty() && !cases_csv(e).empty(), "scores without a text");
}

}  // namespace vox::fuzz
