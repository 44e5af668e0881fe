#include "data/loading/sample.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/check.h"

namespace vox {
namespace {

void check_classes(std::span<const std::uint8_t> label, const std::filesystem::path& path) {
  const auto high = std::ranges::max(label);
  VOX_CHECK_DATA(high < kClasses, "{}: label holds class {}, wants 0 to {}", path.string(), high, kClasses - 1);
}

}  // namespace

std::array<std::int64_t, 4> shape_of(const PreparedInfo& info) {
  const Extent3& s = info.mapping.size;
  return {std::ssize(info.recipe.modalities), s[0], s[1], s[2]};
}

std::size_t sample_maker_bytes(const LoaderOptions& options, const std::array<std::int64_t, 4>& shape,
                               FileDType image_type) {
  const auto voxels = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
  const auto image = static_cast<std::size_t>(shape[0]) * voxels * sizeof(float);
  std::size_t each = 0;
  if (options.patch) {
    each = changes_samples(options.augment) ? image + voxels : 0;
  } else if (image_type != FileDType::f32) {
    each = image;
  }
  return static_cast<std::size_t>(options.threads) * each;
}

std::string SampleMaker::make(const std::filesystem::path& path, const SampleKey& key, std::int64_t place_in_batch,
                              std::span<float> image, std::span<std::uint8_t> label) {
  const PreparedFile file(path);
  const std::array<std::int64_t, 4> found = shape_of(file.info());
  const bool fits = options_.patch ? found[0] == shape_[0] : found == shape_;
  VOX_CHECK_DATA(fits, "{}: holds {}, wants {} as {} has", path.string(), fmt::join(found, "x"), fmt::join(shape_, "x"),
                 options_.files.front().string());
  const Augmentation drawn = draw_augmentation(options_.augment, key, static_cast<std::size_t>(shape_[0]));
  const Extent3 size{shape_[1], shape_[2], shape_[3]};
  if (!options_.patch) {
    check_classes(file.label(), path);
    augment(file.image(image_), file.label(), size, drawn, image, label);
    return file.info().id;
  }
  const bool foreground = wants_foreground(*options_.patch, options_.batch, place_in_batch, key);
  const Box box = draw_patch(file, *options_.patch, key, foreground);
  if (does_nothing(drawn)) {
    file.read(box, image, label);
    check_classes(label, path);
    return file.info().id;
  }
  image_.resize(image.size());
  label_.resize(label.size());
  file.read(box, image_, label_);
  check_classes(label_, path);
  augment(image_, label_, size, drawn, image, label);
  return file.info().id;
}

}  // namespace vox
