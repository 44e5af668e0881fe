#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "data/loading/blur.h"
#include "data/loading/composed_transform.h"
#include "data/loading/intensity.h"
#include "data/loading/low_resolution.h"
#include "engine/safetensors.h"
#include "tests/support/catch.h"

// Against what batchgeneratorsv2 itself makes of the same parameters: tests/golden/augment_reference.py.

namespace vox::test {
namespace {

const SafetensorsFile& golden() {
  static const SafetensorsFile file(VOX_SOURCE_DIR "/tests/golden/augment.safetensors");
  return file;
}

constexpr Extent3 kPatch{9, 10, 13};

void check_close(const std::string& name, const std::vector<float>& got, double allowed) {
  const std::vector<float> want = golden().read<float>(name);
  REQUIRE(got.size() == want.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double off = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    worst = off <= worst ? worst : off;  // NaN stays
  }
  INFO(name << ": off by " << worst);
  CHECK(worst <= allowed);
}

/// Values lie within [-1, 2]: a few roundings of sums in another order.
constexpr double kRoundings = 16 * 2 * 0x1p-24;

template <class Change> void check_step(const std::string& name, double allowed, const Change& change) {
  std::vector<float> x = golden().read<float>("channel");
  change(x);
  check_close(name, x, allowed);
}

}  // namespace

TEST_CASE("augment: brightness, contrast and gamma are batchgeneratorsv2's", "[augment]") {
  check_step("brightness", kRoundings, [](std::vector<float>& x) { change_brightness(x, 1.2F); });
  check_step("contrast.less", kRoundings, [](std::vector<float>& x) { change_contrast(x, 0.8F); });
  check_step("contrast.more", kRoundings, [](std::vector<float>& x) { change_contrast(x, 1.25F); });
  const double allowed = 3 * 2e-6 + kRoundings;  // power() on a range of 3
  check_step("gamma.low", allowed, [](std::vector<float>& x) { change_gamma(x, 0.7F, GammaOf::image); });
  check_step("gamma.high", allowed, [](std::vector<float>& x) { change_gamma(x, 1.5F, GammaOf::image); });
  check_step("gamma.negated", allowed, [](std::vector<float>& x) { change_gamma(x, 1.3F, GammaOf::negated); });
}

TEST_CASE("augment: blur and low resolution are batchgeneratorsv2's", "[augment]") {
  std::vector<float> scratch;
  check_step("blur.a", kRoundings, [&](std::vector<float>& x) { blur(x, kPatch, {0.5F, 0.75F, 1.0F}, scratch); });
  check_step("blur.b", kRoundings, [&](std::vector<float>& x) { blur(x, kPatch, {0.9F, 0.6F, 0.55F}, scratch); });
  for (const char* const share : {"0.5", "0.62", "0.9"}) {
    // PyTorch's places are floats: some 13 voxels, off by a rounding, times slopes of up to 3.
    check_step(std::string("lowres.") + share, 13 * 3 * 0x1p-22,
               [&](std::vector<float>& x) { lower_resolution(x, kPatch, std::stod(share), scratch); });
  }
}

TEST_CASE("augment: rotation and scaling put image and classes where batchgeneratorsv2 does", "[augment]") {
  struct Given {
    const char* name;
    std::array<double, 3> degrees;
    double scale;
  };
  for (const Given& g : {Given{"inside", {20, -10, 30}, 0.8}, Given{"beyond", {-30, 25, 5}, 1.4}}) {
    const std::string name = g.name;
    const auto& shape = golden().tensor(name + ".marks").shape;
    const Extent3 size{shape[0], shape[1], shape[2]};
    ComposedTransform t{.size = kPatch};
    for (std::size_t a = 0; a < 3; ++a) { t.centre[a] = 0.5 * static_cast<double>(size[a] - 1); }
    t.change.turned_or_scaled = true;
    t.change.matrix =
        matrix_product(turn(0, 1, g.degrees[2]), matrix_product(turn(2, 0, g.degrees[1]), turn(1, 2, g.degrees[0])));
    for (double& m : t.change.matrix) { m *= g.scale; }
    const std::vector<float> image = golden().read<float>(name + ".image");
    const std::vector<std::uint8_t> marks = golden().read<std::uint8_t>(name + ".marks");
    const std::vector<std::uint8_t> want = golden().read<std::uint8_t>(name + ".patch_marks");
    std::vector<float> out(want.size());
    std::vector<std::uint8_t> out_marks(want.size());
    sample_box(image, marks, {{}, size}, t, out, out_marks);
    check_close(name + ".patch", out, 3 * 16 * 27 * 0x1p-24);  // places of up to 27, in other roundings
    // There scores of masks are in f16, steps of 1/2 in 1000, and near ties go to the nearest voxel.
    const auto other =
        std::ranges::count_if(out_marks, [&, i = std::size_t{0}](std::uint8_t m) mutable { return m != want[i++]; });
    INFO(name << ": " << other << " of " << want.size() << " marks differ");
    CHECK(other * 200 <= std::ssize(want));
    CHECK(std::ranges::count(want, 0) > 0);
    CHECK(std::ranges::count(want, 4) > 0);
  }
}

}  // namespace vox::test
