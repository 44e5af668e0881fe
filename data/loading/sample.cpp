#include "data/loading/sample.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/loading/warp.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

void check_classes(std::span<const std::uint8_t> label, const std::filesystem::path& path) {
  const auto high = std::ranges::max(label);
  VOX_CHECK_DATA(high < kClasses, "{}: label holds class {}, wants 0 to {}", path.string(), high, kClasses - 1);
}

/// Of any of the cases, for a sample of `size`, whatever nnU-Net's steps are drawn.
std::size_t most_voxels_read(const LoaderOptions& options, const Extent3& size, std::span<const Extent3> cases) {
  std::int64_t most = size[0] * size[1] * size[2];
  for (const Extent3& whole : cases) {
    if (options.patch) { most = std::max(most, most_voxels_needed(size, *options.augment.nnunet, whole)); }
  }
  return static_cast<std::size_t>(most);
}

}  // namespace

std::array<std::int64_t, 4> shape_of(const PreparedInfo& info) {
  const Extent3& s = info.mapping.size;
  return {std::ssize(info.recipe.modalities), s[0], s[1], s[2]};
}

std::size_t sample_maker_bytes(const LoaderOptions& options, const std::array<std::int64_t, 4>& shape,
                               FileDType image_type, std::span<const Extent3> cases) {
  const auto voxels = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
  const auto value_bytes = static_cast<std::size_t>(shape[0]) * sizeof(float);  // of a voxel
  std::size_t each = 0;
  if (options.augment.nnunet) {
    each =
        most_voxels_read(options, {shape[1], shape[2], shape[3]}, cases) * (value_bytes + 1) + voxels * sizeof(float);
  } else if (options.patch) {
    each = changes_samples(options.augment) ? voxels * (value_bytes + 1) : 0;
  } else if (image_type != FileDType::f32) {
    each = voxels * value_bytes;
  }
  return static_cast<std::size_t>(options.threads) * each;
}

void SampleMaker::read(const PreparedFile& file, const Box& box) {
  const auto voxels = static_cast<std::size_t>(box.size[0] * box.size[1] * box.size[2]);
  image_.resize(static_cast<std::size_t>(shape_[0]) * voxels);
  label_.resize(voxels);
  file.read(box, image_, label_);
  check_classes(label_, file.file());
}

void SampleMaker::make_nnunet(const PreparedFile& file, const Box& box, const NnunetAugmentation& drawn,
                              std::span<float> image, std::span<std::uint8_t> label) {
  if (!drawn.spatial.copies()) {
    ComposedTransform t{.change = drawn.spatial, .size = box.size};
    for (std::size_t a = 0; a < 3; ++a) {
      t.centre[a] = static_cast<double>(box.start[a]) + 0.5 * static_cast<double>(box.size[a] - 1);
    }
    const Box needed = box_needed(t, file.info().mapping.size);
    read(file, needed);
    mark_outside(image_, label_);
    sample_box(image_, label_, needed, t, image, label);
  } else {
    read(file, box);
    mark_outside(image_, label_);
    warp(image_, label_, box.size, {.flip = drawn.spatial.mirror}, image, label);
  }
  change_intensities(drawn, box.size, image, scratch_);
  clear_outside(image, label);
}

std::string SampleMaker::make(const std::filesystem::path& path, const SampleKey& key, std::int64_t place_in_batch,
                              std::span<float> image, std::span<std::uint8_t> label) {
  const PreparedFile file(path);
  const std::array<std::int64_t, 4> found = shape_of(file.info());
  const bool fits = options_.patch ? found[0] == shape_[0] : found == shape_;
  VOX_CHECK_DATA(fits, "{}: holds {}, wants {} as {} has", path.string(), fmt::join(found, "x"), fmt::join(shape_, "x"),
                 options_.files.front().string());
  const auto channels = static_cast<std::size_t>(shape_[0]);
  Box box{.start = {}, .size = {shape_[1], shape_[2], shape_[3]}};
  if (options_.patch) {
    const bool foreground = wants_foreground(*options_.patch, options_.batch, place_in_batch, key);
    box = draw_patch(file, *options_.patch, key, foreground);
  }
  if (options_.augment.nnunet) {
    make_nnunet(file, box, draw_nnunet(*options_.augment.nnunet, key, channels), image, label);
    return file.info().id;
  }
  const Augmentation drawn = draw_augmentation(options_.augment, key, channels);
  if (!options_.patch) {
    check_classes(file.label(), path);
    augment(file.image(image_), file.label(), box.size, drawn, image, label);
  } else if (does_nothing(drawn)) {
    file.read(box, image, label);
    check_classes(label, path);
  } else {
    read(file, box);
    augment(image_, label_, box.size, drawn, image, label);
  }
  return file.info().id;
}

}  // namespace vox
