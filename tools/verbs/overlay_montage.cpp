// overlay --montage: which cases, in which order, and what is written above them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "data/nifti/nifti.h"
#include "data/scoring/metrics.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "tools/ui/montage.h"
#include "tools/ui/overlay_planes.h"
#include "tools/verbs/overlay.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct ToShow {
  CaseFiles files;
  Modality modality = Modality::flair;
  LabelFile prediction;
  std::optional<LabelFile> truth;
  std::string scores;
  double mean_dice = NAN;  ///< without a truth
};

std::map<std::string, LabelFile> label_files(const fs::path& folder) {
  VOX_CHECK_DATA(is_folder(folder), "overlay --montage: {} is no folder", folder.string());
  std::map<std::string, LabelFile> files;
  for (LabelFile& f : find_label_files(folder)) { files[f.id] = std::move(f); }
  return files;
}

/// The cases that have a prediction.
std::vector<ToShow> cases_of(const OverlayOptions& o) {
  const std::map<std::string, LabelFile> predictions = label_files(o.segmentation);
  const std::map<std::string, LabelFile> truths = label_files(o.truth.empty() ? o.input : o.truth);
  std::vector<ToShow> all;
  for (const CaseFiles& found : find_cases(o.input)) {
    const auto prediction = predictions.find(found.id);
    if (prediction == predictions.end()) { continue; }
    const auto truth = truths.find(found.id);
    all.push_back({.files = found,
                   .modality = modality_of(found, o),
                   .prediction = prediction->second,
                   .truth = truth == truths.end() ? std::optional<LabelFile>() : truth->second,
                   .scores = "no truth"});
  }
  VOX_CHECK_DATA(!all.empty(), "overlay --montage: {} has no label file of a case of {}", o.segmentation.string(),
                 o.input.string());
  return all;
}

void score(ToShow& shown, const OverlayOptions& o) {
  const std::string image = shown.files.image_name(shown.modality).string();
  const Geometry grid = read_image(shown.files, shown.modality).image.geometry;
  const LabelMap predicted = read_classes_on(shown.prediction, o, image, grid);
  const LabelMap truth = read_classes_on(*shown.truth, o, image, grid);
  Confusion confusion;
  confusion.add(truth.values, predicted.values);
  shown.mean_dice = 0;
  shown.scores = "Dice";
  for (const Region r : kRegions) {
    const double dice = overlap_scores(confusion.of_region(r)).dice;
    shown.mean_dice += dice / static_cast<double>(kRegions.size());
    shown.scores += fmt::format(" {} {:.3f}", name(r), dice);
  }
}

}  // namespace

void draw_montage(const OverlayOptions& o) {
  VOX_CHECK(o.most >= 1 && o.columns >= 1, "overlay --montage: --most is {}, --columns {}, wants 1 or more", o.most,
            o.columns);
  std::vector<ToShow> all = cases_of(o);
  const bool by_score = o.order == "worst";
  const std::size_t found = all.size();
  const auto most = std::min(found, static_cast<std::size_t>(o.most));
  if (!by_score) { all.resize(most); }  // sorted by name
  for (ToShow& shown : all) {
    if (shown.truth) { score(shown, o); }
  }
  if (by_score) {
    std::ranges::stable_sort(all, [](const ToShow& a, const ToShow& b) {
      return std::isnan(a.mean_dice) < std::isnan(b.mean_dice) || a.mean_dice < b.mean_dice;  // no truth: at the end
    });
    all.resize(most);
  }
  Montage montage(fmt::format("{} of {} cases, {}; {}: prediction, truth", most, found,
                              by_score ? "worst first by mean Dice" : "by name", o.modality),
                  static_cast<std::int64_t>(most), o.columns);
  for (const ToShow& shown : all) {
    const std::string name = shown.files.image_name(shown.modality).string();
    const Image image = read_image(shown.files, shown.modality).image;
    const LabelMap prediction = read_classes_on(shown.prediction, o, name, image.geometry);
    LabelMap truth;
    if (shown.truth) { truth = read_classes_on(*shown.truth, o, name, image.geometry); }
    montage.add({.title = shown.files.id,
                 .scores = shown.scores,
                 .image = &image,
                 .prediction = &prediction,
                 .truth = shown.truth ? &truth : nullptr,
                 .slice = slices_with_most(has_tumour(truth) ? truth : prediction)[0]});
  }
  montage.write(o.output);
  fmt::print("{}: {} of {} cases, {}\n", o.output.string(), most, found, by_score ? "worst first" : "by name");
  if (by_score) {
    for (const ToShow& shown : all) { fmt::print("  {}  {}\n", shown.files.id, shown.scores); }
  }
}

}  // namespace vox
