#include "data/prepare.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "data/nifti.h"
#include "data/normalise.h"
#include "kernels/check.h"
#include "kernels/parallel.h"

namespace vox {
namespace {

constexpr double kGridTolerance_mm = 1e-3;

std::string text(const Extent3& size) { return fmt::format("{}", fmt::join(size, "x")); }

/// Files of one case share size and spacing; where only their place in the scanner differs, BraTS' own files do too.
void check_grid(const Geometry& grid, const Geometry& other, const std::string& file, const std::string& first,
                std::vector<std::string>& notes) {
  VOX_CHECK_DATA(other.size == grid.size, "{}: has {} voxels (D,H,W), but {} has {}: one case, one grid", file,
                 text(other.size), first, text(grid.size));
  for (std::size_t a = 0; a < 3; ++a) {
    VOX_CHECK_DATA(std::abs(other.spacing_mm[a] - grid.spacing_mm[a]) <= kGridTolerance_mm,
                   "{}: has voxels of {} mm, but {} of {} mm: one case, one grid", file,
                   fmt::join(other.spacing_mm, "x"), first, fmt::join(grid.spacing_mm, "x"));
  }
  const double apart = grid_distance_mm(grid, other);
  if (apart > kGridTolerance_mm) {
    notes.push_back(fmt::format("{} and {} put the same voxel {:.1f} mm apart", file, first, apart));
  }
}

std::vector<Image> read_images(const CaseFiles& files, const Recipe& recipe, int threads, PreparedCase& c,
                               std::vector<std::string>& notes) {
  std::vector<std::filesystem::path> paths;
  for (const Modality m : recipe.modalities) {
    paths.push_back(files.image(m));
    VOX_CHECK_DATA(!paths.back().empty(), "{}: has no {} image, and recipe {} wants {}", files.folder.string(), name(m),
                   name(recipe.kind), modality_list(recipe.modalities));
  }
  std::vector<NiftiImage> read = read_nifti(paths, threads);
  std::vector<Image> images;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string path = paths[i].string();
    VOX_CHECK_DATA(read[i].values_finite, "{}: holds values that are not finite (NaN or infinity)", path);
    c.info.sources.push_back(paths[i].filename().string());
    if (!images.empty()) {
      check_grid(images.front().geometry, read[i].image.geometry, path, c.info.sources.front(), notes);
    }
    images.push_back(std::move(read[i].image));
  }
  c.header = read.front().header;
  return images;
}

LabelMap read_labels(const CaseFiles& files, const Geometry& grid, PreparedInfo& info,
                     std::vector<std::string>& notes) {
  LabelMap labels = read_nifti_labels(files.labels).labels;
  const std::string file = files.labels.string();
  check_grid(grid, labels.geometry, file, info.sources.front(), notes);
  std::array<std::int64_t, 256> voxels_by_label{};
  for (const std::uint8_t l : labels.values) { ++voxels_by_label[l]; }
  info.convention = convention_of(voxels_by_label, file);
  info.labelled = true;
  info.sources.push_back(files.labels.filename().string());
  to_classes(labels.values, info.convention, file);
  notes.push_back(fmt::format("labels as {} has them: {} becomes class 3, enhancing", name(info.convention),
                              info.convention == LabelConvention::brats2020 ? 4 : 3));
  return labels;
}

void check_tutorial_fits(const Extent3& size, const CaseFiles& files) {
  for (std::size_t a = 0; a < 3; ++a) {
    VOX_CHECK_DATA(
        size[a] >= kTutorialCrop.start[a] + kTutorialCrop.size[a],
        "{}: has {} voxels (D,H,W); recipe tutorial crops [13:141, 56:184, 56:184] out of BraTS' 155x240x240",
        files.folder.string(), text(size));
  }
}

/// Scales the images in place and returns the box that the recipe keeps.
Box normalise(std::vector<Image>& images, const Recipe& recipe, const CaseFiles& files, int threads) {
  const auto each = [&](const auto& body) {
    parallel_for(threads, std::ssize(images), [&](std::int64_t i) { body(images[static_cast<std::size_t>(i)]); });
  };
  const Extent3 size = images.front().geometry.size;
  if (recipe.kind == RecipeKind::tutorial) {
    check_tutorial_fits(size, files);
    const auto slice = static_cast<std::size_t>(size[1] * size[2]);
    each([&](Image& image) {
      for (std::int64_t d = kTutorialCrop.start[0]; d < kTutorialCrop.start[0] + kTutorialCrop.size[0]; ++d) {
        scale_to_unit(std::span(image.values).subspan(static_cast<std::size_t>(d) * slice, slice));
      }
    });
    return kTutorialCrop;
  }
  if (recipe.kind == RecipeKind::seed) {
    each([](Image& image) { scale_to_unit(image.values); });
    return {{0, 0, 0}, size};
  }
  std::vector<std::span<const float>> views;
  for (const Image& image : images) { views.emplace_back(image.values); }
  const std::vector<std::uint8_t> mask = brain_mask(views);
  const Box box = bounding_box(mask, size);
  VOX_CHECK_DATA(box.size[0] > 0, "{}: every voxel of every image is 0: there is no brain", files.folder.string());
  each([&](Image& image) { standardise(image.values, mask); });
  return box;
}

std::int64_t count_tumour(const std::vector<std::uint8_t>& classes) {
  return std::ssize(classes) - std::ranges::count(classes, std::uint8_t{0});
}

void note_lost_tumour(const LabelMap& labels, const Box& box, std::vector<std::string>& notes) {
  const std::int64_t all = count_tumour(labels.values);
  const std::int64_t kept =
      count_tumour(resize_nearest(labels.values, labels.geometry.size, box, box.size));  // equal sizes: a plain crop
  if (kept < all) { notes.push_back(fmt::format("{} of {} tumour voxels lie outside the crop", all - kept, all)); }
}

}  // namespace

PreparedCase prepare_case(const CaseFiles& files, const Recipe& recipe, int threads, std::vector<std::string>* notes) {
  PreparedCase c;
  std::vector<std::string> unusual;
  if (!files.note.empty()) { unusual.push_back(files.note); }
  c.info.id = files.id;
  c.info.recipe = recipe;
  const auto start = std::chrono::steady_clock::now();
  std::vector<Image> images = read_images(files, recipe, threads, c, unusual);
  const auto read = std::chrono::steady_clock::now();
  GridMapping& m = c.info.mapping;
  m.source = images.front().geometry;
  m.box = normalise(images, recipe, files, threads);
  m.size.fill(recipe.size);
  c.image.reserve(images.size() * static_cast<std::size_t>(recipe.size * recipe.size * recipe.size));
  for (Image& image : images) {
    const std::vector<float> channel = resize_trilinear(image.values, m.source.size, m.box, m.size, threads);
    c.image.insert(c.image.end(), channel.begin(), channel.end());
    image.values = {};
  }
  c.read_seconds = std::chrono::duration<double>(read - start).count();
  c.prepare_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - read).count();
  if (!files.labels.empty()) {
    const LabelMap labels = read_labels(files, m.source, c.info, unusual);
    note_lost_tumour(labels, m.box, unusual);
    c.label = resize_nearest(labels.values, m.source.size, m.box, m.size, threads);
  }
  if (notes != nullptr) { *notes = std::move(unusual); }
  return c;
}

double tumour_fraction(const PreparedCase& c) {
  if (c.label.empty()) { return 0; }
  return static_cast<double>(count_tumour(c.label)) / static_cast<double>(c.label.size());
}

}  // namespace vox
