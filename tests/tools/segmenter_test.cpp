#include "tools/run/segmenter.h"

#include <algorithm>
#include <cmath>

#include "model/checkpoint.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

constexpr std::int64_t kSize = 16;

std::filesystem::path small_checkpoint(const TempFolder& folder) {
  UNetConfig config = unet_preset("seed");
  config.widths = {8, 8, 8, 8, 8};
  const UNet3d net(config, DType::f32, 3);
  const auto path = folder.path() / "net.safetensors";
  save_checkpoint(
      path, net, nullptr,
      {{"recipe", "zscore"}, {"recipe_size", std::to_string(kSize)}, {"recipe_modalities", "flair,t1,t1ce,t2"}});
  return path;
}

/// [C,D,H,W] with W reversed, by the definition.
std::vector<float> reversed_w(const std::vector<float>& values) {
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t w = i % kSize;
    out[i] = values[i - w + kSize - 1 - w];
  }
  return out;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
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

  const auto mean = segmenter.run_mirrored(image).probabilities;
  CHECK(largest_difference(reversed_w(mean), segmenter.run_mirrored(turned).probabilities) < 1e-6);
  CHECK(largest_difference(reversed_w(segmenter.run(image).probabilities), segmenter.run(turned).probabilities) > 1e-3);
  CHECK(largest_difference(mean, segmenter.run(image).probabilities) > 1e-3);
}

}  // namespace vox::test
