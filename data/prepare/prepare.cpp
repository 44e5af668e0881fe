#include "data/prepare/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "data/check/case_reader.h"
#include "data/check/read_classes.h"
#include "data/prepare/native.h"
#include "data/prepare/normalise.h"
#include "data/prepare/read_box.h"
#include "data/prepare/spline.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

std::string text(const Extent3& size) { return fmt::format("{}", fmt::join(size, "x")); }

/// A finding that stops nothing.
std::string note_of(const Finding& f) {
  const CheckCode& code = code_of(f.check);
  return fmt::format("{} {}: {}: {}", code.code, code.title, f.file.filename().string(), f.message);
}

/// The labels of a case, checked for their place; what is wrong becomes a finding.
std::optional<ClassMap> read_labels(const CaseFiles& files, const LoadedCase& loaded, const CheckRules& rules,
                                    std::vector<Finding>& findings) {
  if (files.labels.empty()) { return {}; }
  auto labels = read_classes(files.label_file(), rules.labels, findings);
  if (labels) {
    if (auto f = place_finding(loaded, labels->classes.geometry, files.labels)) { findings.push_back(std::move(*f)); }
  }
  return labels;
}

void take_labels(const CaseFiles& files, const ClassMap& labels, PreparedInfo& info, std::vector<std::string>& notes) {
  info.convention = labels.convention;
  info.labelled = true;
  info.sources.push_back(files.labels.filename().string());
  notes.push_back(fmt::format("labels as {} has them: {} becomes class 3, enhancing ({})", name(labels.convention),
                              enhancing_label(labels.convention), labels.reason));
  if (labels.cavity > 0) {
    notes.push_back(fmt::format("{} voxels of resection cavity become background", labels.cavity));
  }
}

/// The brain as zscore and native take it: the mask that was asked for, or every voxel where some image is not 0.
LargeVector<std::uint8_t> find_brain(const std::vector<Image>& images, const LoadedCase& loaded, const CaseFiles& files,
                                     const CheckRules& rules, std::vector<std::string>& notes) {
  if (loaded.mask) {
    const std::array<std::span<const float>, 1> given{loaded.mask->nifti.image.values};
    return brain_mask(given);
  }
  std::vector<std::span<const float>> views;
  views.reserve(images.size());
  for (const Image& image : images) { views.emplace_back(image.values); }
  LargeVector<std::uint8_t> brain = brain_mask(views);
  if (const auto f = brain_finding(brain, files.folder)) {
    const bool allowed = std::ranges::find(rules.allowed, f->check) != rules.allowed.end();
    VOX_CHECK_DATA(allowed, "{}", describe(*f));
    notes.push_back(note_of(*f));
  }
  return brain;
}

void check_tutorial_fits(const Extent3& size, const CaseFiles& files) {
  for (std::size_t a = 0; a < 3; ++a) {
    VOX_CHECK_DATA(
        size[a] >= kTutorialCrop.start[a] + kTutorialCrop.size[a],
        "{}: has {} voxels (D,H,W); recipe tutorial crops [13:141, 56:184, 56:184] out of BraTS' 155x240x240",
        files.folder.string(), text(size));
  }
}

std::size_t voxels_of(const Extent3& size) { return static_cast<std::size_t>(size[0] * size[1] * size[2]); }

template <class T> void cut(const LargeVector<T>& volume, const Extent3& size, const Box& box, std::span<T> to) {
  read_box(std::span(volume), size, box, to, [](T x) { return x; });
}

template <class Body> void for_each_image(std::vector<Image>& images, int threads, const Body& body) {
  parallel_for(threads, std::ssize(images), [&](std::int64_t i) { body(static_cast<std::size_t>(i)); });
}

/// Scales the images in place, whole volumes or slices. Returns what the recipe keeps.
Box scale(std::vector<Image>& images, const Recipe& recipe, const CaseFiles& files, int threads) {
  const Extent3 size = images.front().geometry.size;
  if (recipe.kind == RecipeKind::tutorial) {
    check_tutorial_fits(size, files);
    const auto slice = static_cast<std::size_t>(size[1] * size[2]);
    for_each_image(images, threads, [&](std::size_t i) {
      for (std::int64_t d = kTutorialCrop.start[0]; d < kTutorialCrop.start[0] + kTutorialCrop.size[0]; ++d) {
        scale_to_unit(std::span(images[i].values).subspan(static_cast<std::size_t>(d) * slice, slice));
      }
    });
    return kTutorialCrop;
  }
  for_each_image(images, threads, [&](std::size_t i) { scale_to_unit(images[i].values); });
  return {{0, 0, 0}, size};
}

/// Images on the mapping's grid, [C,D,H,W]; takes their volumes.
LargeVector<float> resized(std::vector<Image>& images, const GridMapping& m, int threads) {
  LargeVector<float> out;
  out.reserve(images.size() * voxels_of(m.size));
  for (Image& image : images) {
    const LargeVector<float> channel = resize_trilinear(image.values, m.source.size, m.box, m.size, threads);
    out.insert(out.end(), channel.begin(), channel.end());
    image.values = {};
  }
  return out;
}

/// The same of images that are cut to the brain, standardised inside it and then resized, those of cubes trilinearly.
LargeVector<float> standardised(std::vector<Image>& images, const LargeVector<std::uint8_t>& mask, const GridMapping& m,
                                bool cube, int threads) {
  const Extent3& from = m.box.size;
  const std::size_t voxels = voxels_of(m.size);
  const bool as_it_is = from == m.size;
  LargeVector<std::uint8_t> brain(voxels_of(from));
  cut<std::uint8_t>(mask, m.source.size, m.box, brain);
  LargeVector<float> out(images.size() * voxels, uncleared);
  for_each_image(images, threads, [&](std::size_t i) {
    LargeVector<float> apart(as_it_is ? 0 : brain.size());
    const std::span<float> part = as_it_is ? std::span(out).subspan(i * voxels, voxels) : std::span(apart);
    cut<float>(images[i].values, m.source.size, m.box, part);
    standardise(part, brain);
    images[i].values = std::move(apart);
  });
  for (std::size_t i = 0; i < images.size() && !as_it_is; ++i) {
    const Box whole{.start = {}, .size = from};
    const LargeVector<float> channel = cube ? resize_trilinear(images[i].values, from, whole, m.size, threads)
                                            : native_image(images[i].values, brain, from, m.size, threads);
    std::ranges::copy(channel, out.begin() + static_cast<std::ptrdiff_t>(i * voxels));
    images[i].values = {};
  }
  return out;
}

std::int64_t count_tumour(std::span<const std::uint8_t> classes) {
  return std::ssize(classes) - std::ranges::count(classes, std::uint8_t{0});
}

void note_lost_tumour(const LabelMap& labels, const Box& box, std::vector<std::string>& notes) {
  const std::int64_t all = count_tumour(labels.values);
  const std::int64_t kept =
      count_tumour(resize_nearest(labels.values, labels.geometry.size, box, box.size));  // equal sizes: a plain crop
  if (kept < all) { notes.push_back(fmt::format("{} of {} tumour voxels lie outside the crop", all - kept, all)); }
}

}  // namespace

PreparedCase prepare_case(const CaseFiles& files, const Recipe& recipe, int threads, std::vector<std::string>* notes,
                          const CheckRules& rules) {
  PreparedCase c;
  std::vector<std::string> unusual;
  c.info.id = files.id;
  c.info.recipe = recipe;
  const auto start = std::chrono::steady_clock::now();
  LoadedCase loaded = load_case(files, recipe.modalities, threads);
  const std::optional<ClassMap> labels = read_labels(files, loaded, rules, loaded.findings);
  throw_errors(loaded.findings, rules);
  for (const Finding& f : loaded.findings) { unusual.push_back(note_of(f)); }
  std::vector<Image> images;
  c.header = loaded.images.front().nifti.header;
  for (LoadedImage& image : loaded.images) {
    c.info.sources.push_back(image.file.filename().string());
    images.push_back(std::move(image.nifti.image));
  }
  const auto read = std::chrono::steady_clock::now();
  GridMapping& m = c.info.mapping;
  m.source = images.front().geometry;
  const bool of_brain = recipe.kind == RecipeKind::zscore || recipe.kind == RecipeKind::native;
  LargeVector<std::uint8_t> brain;
  if (of_brain) {
    brain = find_brain(images, loaded, files, rules, unusual);
    m.box = bounding_box(brain, m.source.size);
    VOX_CHECK_DATA(m.box.size[0] > 0, "{}: every voxel of every image is 0: there is no brain", files.folder.string());
  } else {
    m.box = scale(images, recipe, files, threads);
  }
  m.size = is_cube(recipe) ? Extent3{recipe.size, recipe.size, recipe.size}
                           : native_size(m.source, m.box, recipe.spacing_mm, files.folder.string());
  c.image = of_brain ? standardised(images, brain, m, is_cube(recipe), threads) : resized(images, m, threads);
  c.read_seconds = std::chrono::duration<double>(read - start).count();
  c.prepare_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - read).count();
  if (labels) {
    take_labels(files, *labels, c.info, unusual);
    note_lost_tumour(labels->classes, m.box, unusual);
    c.label = is_cube(recipe) ? resize_nearest(labels->classes.values, m.source.size, m.box, m.size, threads)
                              : resize_classes(labels->classes.values, m.source.size, m.box, m.size, threads);
  }
  if (loaded.mask) { c.info.sources.push_back(loaded.mask->file.filename().string()); }
  if (notes != nullptr) { *notes = std::move(unusual); }
  return c;
}

double tumour_fraction(const PreparedCase& c) {
  if (c.label.empty()) { return 0; }
  return static_cast<double>(count_tumour(c.label)) / static_cast<double>(c.label.size());
}

}  // namespace vox
