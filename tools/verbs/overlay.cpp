#include <fmt/core.h>

#include <charconv>
#include <filesystem>
#include <memory>

#include "data/cases/dataset.h"
#include "data/check/read_classes.h"
#include "data/check/same_place.h"
#include "data/nifti/nifti.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "tools/ui/overlay_picture.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/overlay.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct Drawn {
  std::string id;
  fs::path name;
  Image image;
};

/// What to draw on: the file itself, or the modality of the one case of a folder.
Drawn find_image(const OverlayOptions& o) {
  if (nifti_stem(o.input) && !is_folder(o.input)) {
    return {.id = o.input.filename().string(), .name = o.input, .image = read_nifti(o.input).image};
  }
  std::vector<CaseFiles> cases = find_cases(o.input);
  if (!o.case_id.empty()) {
    std::erase_if(cases, [&](const CaseFiles& c) { return c.id != o.case_id; });
    VOX_CHECK_DATA(!cases.empty(), "{}: no case '{}'", o.input.string(), o.case_id);
  }
  VOX_CHECK_DATA(cases.size() == 1, "{}: {} cases, wants one: say which with --case", o.input.string(), cases.size());
  const CaseFiles& c = cases.front();
  const Modality m = modality_of(c, o);
  return {.id = c.id, .name = c.image_name(m), .image = read_image(c, m).image};
}

Slices parse_slices(const std::string& text, const Geometry& g) {
  Slices s{};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::size_t k = 0; k < 3; ++k) {
    const auto [next, error] = std::from_chars(at, end, s[k]);
    const bool separated = k < 2 ? next != end && *next == ',' : next == end;
    VOX_CHECK(error != std::errc::invalid_argument && separated, "overlay: --slice {}, wants auto or D,H,W", text);
    VOX_CHECK(error == std::errc() && s[k] >= 0 && s[k] < g.size[k], "overlay: --slice {}: {} is outside 0..{}", text,
              std::string_view(at, static_cast<std::size_t>(next - at)), g.size[k] - 1);
    at = k < 2 ? next + 1 : next;
  }
  return s;
}

void run(const OverlayOptions& o) {
  VOX_CHECK_DATA(is_there(o.input), "{}: no such file or folder", o.input.string());
  if (o.montage) {
    VOX_CHECK(o.slice == "auto", "overlay --montage draws the axial slice with most tumour of each case, no --slice");
    VOX_CHECK(o.case_id.empty(), "overlay --montage draws every case that has a prediction, no --case");
    draw_montage(o);
    return;
  }
  const auto [id, file, image] = find_image(o);
  const LabelMap prediction = read_classes_on(label_file(o.segmentation), o, file.string(), image.geometry);
  LabelMap truth;
  if (!o.truth.empty()) { truth = read_classes_on(label_file(o.truth), o, file.string(), image.geometry); }
  const bool tumour = has_tumour(prediction) || has_tumour(truth);
  const Slices slices = o.slice != "auto"
                            ? parse_slices(o.slice, image.geometry)
                            : slices_with_most(has_tumour(prediction) || o.truth.empty() ? prediction : truth);
  draw_overlay(o.output, {.title = id + (tumour ? "" : "   (no tumour in the segmentation)"),
                          .modality = nifti_stem(o.input) && !is_folder(o.input) ? "image" : o.modality,
                          .image = &image,
                          .prediction = &prediction,
                          .truth = o.truth.empty() ? nullptr : &truth,
                          .slices = slices});
  fmt::print("{}: axial {}, coronal {}, sagittal {}{}\n", o.output.string(), slices[0], slices[1], slices[2],
             tumour ? "" : "; no tumour in the segmentation, these are the middle slices");
}

}  // namespace

Modality modality_of(const CaseFiles& found, const OverlayOptions& o) {
  for (const Modality m : kModalities) {
    if (name(m) != o.modality) { continue; }
    VOX_CHECK_DATA(!found.image(m).empty(), "{}: case {} has no {} image", o.input.string(), found.id, o.modality);
    return m;
  }
  VOX_FAIL("overlay: unknown modality '{}'", o.modality);
}

LabelMap read_classes_on(const LabelFile& labelled, const OverlayOptions& o, const std::string& image_name,
                         const Geometry& grid) {
  ClassMap labels = read_classes(labelled, {.asked = labels_option(o.labels), .mixed = false});
  check_same_place(image_name, grid, labelled.file.string(), labels.classes.geometry);
  return std::move(labels.classes);
}

void add_overlay(Command app) {
  const Command verb = app.command("overlay", "Draw a segmentation over three slices of the MRI, as PNG");
  auto o = std::make_shared<OverlayOptions>();
  verb.option("-i,--input", o->input, "case, folder of cases, or one NIfTI image; with --montage a folder of cases")
      .required()
      .type_name("PATH");
  verb.option("-s,--segmentation", o->segmentation, "label file to draw; with --montage a folder of them, ID.nii.gz")
      .required()
      .type_name("FILE");
  verb.option("-g,--truth", o->truth, "label file to draw beside it; with --montage a folder, by default the cases")
      .type_name("FILE");
  verb.option("-o,--output", o->output, "picture to write").required().type_name("FILE.png");
  verb.option("--case", o->case_id, "which case, where the input holds several").type_name("ID");
  verb.option("--modality", o->modality, "image to draw on, where the input is a case")
      .one_of({"t1", "t1ce", "t2", "flair"});
  add_labels_option(verb, o->labels);
  verb.option("--slice", o->slice,
              "voxel indices D,H,W of the axial, coronal and sagittal plane; auto: those with most tumour")
      .type_name("auto|D,H,W");
  verb.flag("--montage", o->montage, "many cases in one picture, an axial slice of each, with their Dice");
  verb.option("--order", o->order, "of a montage: worst (mean Dice first) or name").one_of({"worst", "name"});
  verb.option("--most", o->most, "of a montage: so many cases");
  verb.option("--columns", o->columns, "of a montage");
  verb.run([o] { run(*o); });
}

}  // namespace vox
