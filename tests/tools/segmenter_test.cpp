#include "tools/run/segmenter.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tools/run/ensemble.h"

namespace vox::test {
namespace {

constexpr std::int64_t kSize = 16;
constexpr Extent3 kCube{kSize, kSize, kSize};

std::filesystem::path small_checkpoint(const TempFolder& folder, std::uint64_t seed = 3,
                                       const std::string& recipe = "zscore") {
  UNetConfig config = unet_preset("seed");
  config.widths = {8, 8, 8, 8, 8};
  const UNet3d net(config, DType::f32, seed);
  auto path = folder / fmt::format("{}-{}.safetensors", recipe, seed);
  save_checkpoint(
      path, net, nullptr,
      {{"recipe", recipe}, {"recipe_size", std::to_string(kSize)}, {"recipe_modalities", "flair,t1,t1ce,t2"}});
  return path;
}

/// [C,D,H,W] with W reversed, by the definition.
std::vector<float> reversed_w(std::span<const float> values) {
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t w = i % kSize;
    out[i] = values[i - w + kSize - 1 - w];
  }
  return out;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest;
}

}  // namespace

TEST_CASE("the mean over mirror images turns with its input, which a single pass does not", "[segmenter]") {
  const TempFolder folder;
  const Segmenter segmenter(small_checkpoint(folder));
  const Values doubles = make_values(4 * kSize * kSize * kSize, 5);
  const std::vector<float> image(doubles.begin(), doubles.end());
  const std::vector<float> turned = reversed_w(image);

  const auto mean = segmenter.run_mirrored(image, kCube).probabilities;
  CHECK(largest_difference(reversed_w(mean), segmenter.run_mirrored(turned, kCube).probabilities) < 1e-6);
  CHECK(largest_difference(reversed_w(segmenter.run(image, kCube).probabilities),
                           segmenter.run(turned, kCube).probabilities) > 1e-3);
  CHECK(largest_difference(mean, segmenter.run(image, kCube).probabilities) > 1e-3);
}

TEST_CASE("a network by windows gives the weighted mean of its windows, and as much for one window as at once",
          "[segmenter]") {
  const TempFolder folder;
  Segmenter by_windows(small_checkpoint(folder));
  const Segmenter at_once(small_checkpoint(folder));
  const Extent3 size{20, 13, 32};
  const Values doubles = make_values(4 * voxels_of(size), 6);
  const std::vector<float> image(doubles.begin(), doubles.end());
  const WindowOptions windows{.window = kCube, .batch = 2};
  by_windows.set_windows(windows);
  by_windows.reserve({std::size_t{1} << 30U, "a test"}, size);

  const Segmenter::Output out = by_windows.run(image, size);
  const LargeVector<float> expected =
      slide(image, size, 4, windows, [&](std::span<const float> images, std::int64_t batch) {
        LargeVector<float> all;
        for (std::int64_t b = 0; b < batch; ++b) {
          const auto one = images.subspan(static_cast<std::size_t>(b * 4 * voxels_of(kCube)),
                                          static_cast<std::size_t>(4 * voxels_of(kCube)));
          const auto logits = at_once.run(one, kCube).logits;
          all.insert(all.end(), logits.begin(), logits.end());
        }
        return all;
      });
  CHECK(largest_difference(out.logits, expected) < 1e-5);  // whatever the batch does to the order of sums
  for (std::int64_t v = 0; v < voxels_of(size); v += 101) {
    double z = 0;
    for (std::int64_t k = 0; k < 4; ++k) {
      z += std::exp(static_cast<double>(out.logits[static_cast<std::size_t>(k * voxels_of(size) + v)]));
    }
    for (std::int64_t k = 0; k < 4; ++k) {
      const auto i = static_cast<std::size_t>(k * voxels_of(size) + v);
      CHECK(std::abs(out.probabilities[i] - std::exp(static_cast<double>(out.logits[i])) / z) < 1e-6);
    }
  }
  const std::vector<float> cubic(image.begin(), image.begin() + 4 * voxels_of(kCube));
  CHECK(by_windows.run(cubic, kCube).logits == at_once.run(cubic, kCube).logits);
}

TEST_CASE("an ensemble is the mean of its networks' probabilities; unlike ones are refused", "[segmenter]") {
  const TempFolder folder;
  const auto a = small_checkpoint(folder, 3);
  const auto b = small_checkpoint(folder, 4);
  const auto other = small_checkpoint(folder, 5, "seed");
  Ensemble both({a, b});
  both.reserve({std::size_t{1} << 30U, "a test"}, kCube);
  const Values doubles = make_values(4 * voxels_of(kCube), 5);
  const std::vector<float> image(doubles.begin(), doubles.end());
  const auto first = Segmenter(a).run(image, kCube);
  const auto second = Segmenter(b).run(image, kCube);
  const auto mean = both.run(image, kCube);
  REQUIRE(mean.probabilities.size() == first.probabilities.size());
  for (std::size_t i = 0; i < mean.probabilities.size(); ++i) {
    const double wanted = (static_cast<double>(first.probabilities[i]) + second.probabilities[i]) / 2;
    REQUIRE(std::abs(mean.probabilities[i] - wanted) <= 0x1p-24);
  }
  CHECK(mean.logits.empty());
  CHECK(largest_difference(mean.probabilities, first.probabilities) > 1e-3);
  CHECK(Ensemble({a}).run(image, kCube).logits == first.logits);
  const auto mirrored = both.run(image, kCube, Ensemble::Mirror::all_axes).probabilities;
  CHECK(largest_difference(mirrored, mean.probabilities) > 1e-3);
  CHECK_THROWS_WITH(Ensemble({a, other}), ContainsSubstring("zscore-3.safetensors wants zscore at 16") &&
                                              ContainsSubstring("seed-5.safetensors wants seed at 16"));
  CHECK_THROWS_AS(both.reserve({std::size_t{1} << 20U, "a test"}, kCube), MemoryError);
}

TEST_CASE("windows suit every network of an ensemble, however many levels it has", "[segmenter][errors]") {
  const TempFolder folder;
  const UNet3d shallow(with_widths(unet_preset("seed"), {8, 8, 8}), DType::f32, 3);
  const auto path = folder / "shallow.safetensors";
  save_checkpoint(
      path, shallow, nullptr,
      {{"recipe", "zscore"}, {"recipe_size", std::to_string(kSize)}, {"recipe_modalities", "flair,t1,t1ce,t2"}});
  Ensemble both({path, small_checkpoint(folder)}, Device::cpu, Fusion::on);
  CHECK_NOTHROW(both.set_windows({.window = {16, 32, 16}}));
  CHECK_THROWS_WITH(both.set_windows({.window = {16, 20, 16}}),
                    ContainsSubstring("zscore-3.safetensors: wants windows whose extents are multiples of 16, for 5 "
                                      "levels, not 16x20x16"));
}

}  // namespace vox::test
