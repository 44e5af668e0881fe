#include "tools/verbs/export_description.h"

#include <limits>
#include <string>

#include "data/cases/recipe.h"
#include "data/cases/regions.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"

namespace vox {
namespace {

Json text(std::string_view word) { return std::string(word); }

/// An object of one key: {{key, word}} would be a list to some compilers.
Json only(std::string_view key, const char* word) {
  Json j = Json::object();
  j[key] = word;
  return j;
}

Json crop_of(const Recipe& r) {
  switch (r.kind) {
    case RecipeKind::tutorial:
      return {{"to", "box"}, {"start", kTutorialCrop.start}, {"size", kTutorialCrop.size}};
    case RecipeKind::seed:
      return only("to", "everything");
    case RecipeKind::zscore:
    case RecipeKind::native:
      return {{"to", "brain"}, {"brain", "the smallest box of all voxels where some image is not 0"}};
  }
  VOX_FAIL("unknown recipe");
}

Json normalisation_of(const Recipe& r) {
  if (r.kind == RecipeKind::zscore || r.kind == RecipeKind::native) {
    return {{"kind", "zscore"},
            {"over", "brain"},
            {"formula", "(x - mean) / deviation"},
            {"deviation", "of the population"},
            {"constant_becomes", 0},
            {"outside", 0}};
  }
  return {{"kind", "minmax"},
          {"over", r.kind == RecipeKind::tutorial ? "axial slice" : "volume"},
          {"formula", "(x - min) / (max - min)"},
          {"constant_range", 10 * std::numeric_limits<double>::epsilon()},
          {"constant_becomes", 0}};
}

Json resampling_of(const Recipe& r) {
  if (is_cube(r)) {
    return {{"to", "size"},
            {"size", cube(r.size)},
            {"image", "trilinear, half-pixel centres, edges clamped, no smoothing"},
            {"probabilities_back", "trilinear, half-pixel centres, edges clamped"}};
  }
  if (r.spacing_mm == std::array<double, 3>{}) { return only("to", "nothing"); }
  return {{"to", "spacing"},
          {"spacing_mm", r.spacing_mm},
          {"size", "round half to even of voxels * spacing / wanted spacing, at least 1"},
          {"image", "cubic B-spline, edges repeated; 0 where less than half of a voxel is brain"},
          {"probabilities_back", "trilinear, half-pixel centres, edges clamped"}};
}

Json windows_json(const std::optional<WindowOptions>& w) {
  if (!w) { return nullptr; }
  const bool monai = w->rule == WindowRule::monai;
  Json j{{"size", w->window},
         {"overlap", w->overlap},
         {"starts", text(name(w->rule))},
         {"blend", w->blend == Blend::gaussian ? "gaussian" : "constant"},
         {"mean_of", "logits"},
         {"padding", "0 around a case that is smaller, half before and half behind, the odd voxel behind"}};
  if (w->blend == Blend::gaussian) {
    j["gaussian"] = {
        {"sigma", "size / 8"}, {"centre", monai ? "(size - 1) / 2" : "floor(size / 2)"}, {"least", monai ? 1e-3 : 0.0}};
  }
  return j;
}

Json decision_of(const UNetConfig& c) {
  if (c.targets == Targets::classes) {
    return {{"kind", "largest"},
            {"of", "probabilities on the case's grid"},
            {"equal", "the lower class"},
            {"classes", {"background", "necrotic", "oedema", "enhancing"}}};
  }
  return {{"kind", "regions"},
          {"of", "probabilities on the case's grid"},
          {"regions", {"WT", "TC", "ET"}},
          {"above", 0.5},
          {"class_of_region", {kClassOfRegion[0], kClassOfRegion[1], kClassOfRegion[2]}},
          {"rule", "from class 0, region by region in this order: where a region is above, its class is written"}};
}

/// What files say for classes 0 to 3.
Json values_of(LabelConvention convention) {
  std::array<std::uint8_t, kClasses> values{0, 1, 2, 3};
  to_labels(values, convention);
  Json list = Json::array();
  for (const int value : values) { list.push_back(value); }
  return list;
}

Json labels_json(const std::optional<LabelConvention>& wanted) {
  Json values = Json::object();
  for (const LabelConvention c : kLabelConventions) { values[name(c)] = values_of(c); }
  return {{"written", wanted ? text(name(*wanted)) : text("auto")},
          {"auto", {{"ID_flair", "brats2020"}, {"ID-t2f", "brats2023"}}},
          {"values_of_classes", values},
          {"outside_the_crop", 0}};
}

}  // namespace

Json case_description(const Segmenter& s, const CaseRules& rules) {
  const UNetConfig& c = s.config();
  const Recipe& r = s.recipe();
  Json channels = Json::array();
  for (const Modality m : r.modalities) { channels.push_back(text(name(m))); }
  const bool of_brain = r.kind == RecipeKind::zscore || r.kind == RecipeKind::native;
  const bool nothing = rules.postprocess == PostprocessRules{};
  return {{"format", kExportFormat},
          {"network", Json::parse(to_json(c))},
          {"input",
           {{"name", "image"},
            {"type", "float32"},
            {"axes", {"batch", "channel", "depth", "height", "width"}},
            {"channels", channels},
            {"extents_divisible_by", size_divisor(c)}}},
          {"outputs",
           {{"probabilities", c.targets == Targets::regions ? "sigmoid of logits" : "softmax of logits"},
            {"logits", "as the network gives them"}}},
          {"orientation",
           {{"axes", "LPS"}, {"meaning", "width grows to the patient's left, height to posterior, depth to superior"}}},
          {"preparation",
           {{"recipe", text(name(r.kind))},
            {"order", of_brain ? Json{"orientation", "crop", "normalisation", "resampling"}
                               : Json{"orientation", "normalisation", "crop", "resampling"}},
            {"crop", crop_of(r)},
            {"normalisation", normalisation_of(r)},
            {"resampling", resampling_of(r)}}},
          {"windows", windows_json(rules.windows)},
          {"mirror",
           {{"axes", rules.mirror ? Json{"depth", "height", "width"} : Json::array()},
            {"mean_of", "probabilities of all combinations of the axes"}}},
          {"decision", decision_of(c)},
          {"labels", labels_json(rules.labels)},
          {"postprocess", nothing ? Json(nullptr) : Json::parse(to_json(rules.postprocess))}};
}

}  // namespace vox
