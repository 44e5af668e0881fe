#include <algorithm>
#include <cstring>

#include "data/loading/augment.h"
#include "data/loading/gaussian.h"
#include "engine/uploader.h"
#include "kernels/base/check.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/devices.h"

// What a device does to a batch on its way in is, bit for bit, what the loader's threads would have done.

namespace vox::test {
namespace {

struct Samples {
  Shape shape;
  std::vector<float> images;
  std::vector<std::uint8_t> labels;

  [[nodiscard]] std::size_t voxels() const { return static_cast<std::size_t>(shape.voxels()); }
  [[nodiscard]] std::size_t values() const { return static_cast<std::size_t>(shape[1]) * voxels(); }
};

/// Numbers with a full mantissa, a third of them background, and every label.
Samples some_samples(const Shape& shape) {
  Samples s{shape, {}, {}};
  for (const double x : make_full_mantissa(shape.count(), 3, false)) { s.images.push_back(static_cast<float>(x)); }
  for (std::size_t i = 0; i < s.images.size(); i += 3) { s.images[i] = 0; }
  for (std::int64_t i = 0; i < shape[0] * shape.voxels(); ++i) {
    s.labels.push_back(static_cast<std::uint8_t>(random4({.seed = 4}, static_cast<std::uint64_t>(i)).v[0]));
  }
  return s;
}

Samples augmented_here(const Samples& in, const std::vector<Augmentation>& drawn) {
  Samples out = in;
  for (std::size_t n = 0; n < drawn.size(); ++n) {
    augment(std::span(in.images).subspan(n * in.values(), in.values()),
            std::span(in.labels).subspan(n * in.voxels(), in.voxels()), {in.shape[2], in.shape[3], in.shape[4]},
            drawn[n], std::span(out.images).subspan(n * in.values(), in.values()),
            std::span(out.labels).subspan(n * in.voxels(), in.voxels()));
  }
  return out;
}

/// As the network sees it there, `at_a_time` cases each; the batch's values in C order, joined again.
struct Arrived {
  Values images;
  Values labels;
};
Arrived arrived(Device device, const Samples& s, std::vector<Augmentation> drawn, DType dtype, std::int64_t at_a_time) {
  Uploader uploader(device, s.shape);
  uploader.start({.shape = s.shape, .images = s.images, .labels = s.labels, .drawn = std::move(drawn)}, at_a_time);
  Arrived all;
  for (const MicroBatch& part : uploader.take(dtype)) {
    CHECK(nonzero_padding(part.images) == "");
    const Values images = part.images.to_doubles();
    const Values labels = part.labels.to_doubles();
    all.images.insert(all.images.end(), images.begin(), images.end());
    all.labels.insert(all.labels.end(), labels.begin(), labels.end());
    CHECK(part.labels.largest_label() >= *std::ranges::max_element(labels));
  }
  return all;
}

/// The first place where bits differ, or nothing: -0 is not 0.
std::string first_other(const Values& got, const Values& want) {
  if (got.size() != want.size()) { return fmt::format("{} values, wants {}", got.size(), want.size()); }
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &want[i], sizeof(double)) != 0) {
      return fmt::format("[{}] is {:.9g}, wants {:.9g}", i, got[i], want[i]);
    }
  }
  return {};
}

/// Those of flip, rotation, shift, intensity and noise whose bit is set, to every sample.
AugmentOptions chosen(unsigned bits) {
  AugmentOptions o = AugmentOptions::none();
  o.flip_probability = (bits & 1U) != 0 ? 0.5 : 0;  // of each axis
  o.rotate_probability = (bits & 2U) != 0 ? 1 : 0;
  o.shift_probability = (bits & 4U) != 0 ? 1 : 0;
  o.shift_voxels = 3;
  o.intensity_probability = (bits & 8U) != 0 ? 1 : 0;
  o.noise_probability = (bits & 16U) != 0 ? 1 : 0;
  return o;
}

std::vector<Augmentation> draws(const AugmentOptions& o, const Shape& shape) {
  std::vector<Augmentation> drawn;
  for (std::uint32_t n = 0; n < shape[0]; ++n) {
    drawn.push_back(draw_augmentation(o, {.seed = 0xFEDCBA9876543210U, .epoch = 3, .position = 5 + n},
                                      static_cast<std::size_t>(shape[1])));
  }
  return drawn;
}

}  // namespace

TEST_CASE("every augmentation on simt and on a GPU has the bits of the loader's", "[augment][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  constexpr std::array<std::array<std::int64_t, 3>, 4> kSizes{{{1, 1, 1}, {1, 2, 3}, {5, 7, 9}, {2, 3, 37}}};
  for (unsigned bits = 0; bits < 32; ++bits) {
    for (std::size_t k = 0; k < kSizes.size(); ++k) {
      const auto& size = kSizes[k];
      const std::int64_t channels = 1 + (bits + static_cast<std::int64_t>(k)) % 5;
      const Samples in = some_samples({3, channels, size[0], size[1], size[2]});
      INFO("things " << bits << ", " << in.shape.str());
      const std::vector<Augmentation> drawn = draws(chosen(bits), in.shape);
      const Samples want = augmented_here(in, drawn);
      const Arrived got = arrived(device, in, drawn, DType::f32, 2);
      CHECK(first_other(got.images, {want.images.begin(), want.images.end()}) == "");
      CHECK(first_other(got.labels, {want.labels.begin(), want.labels.end()}) == "");
    }
  }
}

TEST_CASE("every augmentation on simt and on a GPU is rounded once to the network's type", "[augment][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  const Samples in = some_samples({2, 11, 3, 4, 5});  // a second block of channels, most of it padding
  const std::vector<Augmentation> drawn = draws(chosen(31), in.shape);
  const Samples want = augmented_here(in, drawn);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    INFO(name(dtype));
    const Values rounded = cast(Tensor::volume_of<float>(in.shape, want.images), dtype).to_doubles();
    CHECK(first_other(arrived(device, in, drawn, dtype, 1).images, rounded) == "");
  }
}

TEST_CASE("every augmentation on simt and on a GPU takes the normal numbers that the CPU takes",
          "[augment][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  Samples in = some_samples({1, 3, 3, 5, 7});
  std::ranges::fill(in.images, 0x1p-100F);  // to which a normal number adds up to itself
  const Augmentation noise{
      .noise_sigma = 1, .noise_group = 0x1'2345'6789U, .noise = {.seed = 11, .step = 2, .place = 3}};
  std::vector<float> normal(in.images.size());
  gaussian(noise.noise, noise.noise_group, normal);
  CHECK(first_other(arrived(device, in, {noise}, DType::f32, 1).images, {normal.begin(), normal.end()}) == "");
}

TEST_CASE("augmentations that do not fit a batch are refused", "[augment][simt]") {
  const Samples in = some_samples({2, 3, 1, 1, 2});
  const auto upload = [&](Device device, std::vector<Augmentation> drawn) {
    static_cast<void>(arrived(device, in, std::move(drawn), DType::f32, 1));
  };
  CHECK_THROWS_WITH(upload(Device::cpu, {{}, {}}), ContainsSubstring("on the CPU a batch is augmented before"));
  CHECK_THROWS_WITH(upload(Device::simt, {{}}), ContainsSubstring("augmentations of 1 samples, the batch has 2"));
  CHECK_THROWS_WITH(upload(Device::simt, {{}, {.intensity = {{1, 0}}}}),
                    ContainsSubstring("intensities of 1 channels, the images have 3"));
}

}  // namespace vox::test
