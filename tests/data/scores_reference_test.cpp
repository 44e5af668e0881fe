// Scores of made-up pairs of masks beside those of medpy, MONAI and DeepMind's surface-distance
// (tests/golden/scores_reference.py).
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "data/scoring/convention.h"
#include "data/scoring/nearest.h"
#include "engine/safetensors.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

/// Sums of at most 1e5 doubles, each with its own rounding: 1e5 * 2^-53 is 1e-11.
constexpr double kDouble = 1e-11;
/// MONAI keeps distances and scores in f32: some roundings of 2^-24.
constexpr double kFloat = 5e-7;

struct GoldenPair {
  MaskPair masks;
  ScoredCase scored;
  std::vector<double> wants;  ///< NAMES of the script
};

GoldenPair golden_pair(const SafetensorsFile& golden, const std::string& n) {
  const std::vector<std::int64_t>& size = golden.tensor("truth." + n).shape;
  const auto spacing = golden.read<double>("spacing." + n);
  LabelMap truth;
  truth.geometry.size = {size[0], size[1], size[2]};
  truth.geometry.spacing_mm = {spacing[0], spacing[1], spacing[2]};
  LabelMap predicted = truth;
  const auto enhancing = [&](const std::string& name) {
    LargeVector<std::uint8_t> values;
    for (const std::uint8_t v : golden.read<std::uint8_t>(name)) { values.push_back(v != 0 ? 3 : 0); }
    return values;
  };
  truth.values = enhancing("truth." + n);
  predicted.values = enhancing("predicted." + n);
  Confusion confusion;
  confusion.add(truth.values, predicted.values);
  return {.masks = mask_pair(truth, predicted),
          .scored = ScoredCase(class_pair(truth.geometry, truth.values, predicted.values), confusion, 2),
          .wants = golden.read<double>("scores." + n)};
}

/// Of ET by a convention.
double as(GoldenPair& pair, const char* convention, const char* key) {
  const Convention& c = *find_convention(convention);
  const ScoreTable table = score_as(c, pair.scored, {});
  const auto r = std::ranges::find(c.regions, "ET", &ScoredRegion::name) - c.regions.begin();
  const auto s = std::ranges::find(c.scores, key, &ScoreRule::key) - c.scores.begin();
  return table[static_cast<std::size_t>(r)][static_cast<std::size_t>(s)];
}

/// Python has NaN or an infinite distance where we have no score.
bool agree(double got, double wants, double tolerance) {
  if (!std::isfinite(wants)) { return std::isnan(got); }
  return std::abs(got - wants) <= tolerance * std::max(1.0, std::abs(wants));
}

}  // namespace

TEST_CASE("scores of made-up masks are those of medpy, MONAI and surface-distance", "[conventions]") {
  const SafetensorsFile golden(VOX_SOURCE_DIR "/tests/golden/scores.safetensors");
  int pairs = 0;
  for (; golden.has("truth." + std::to_string(pairs)); ++pairs) {
    GoldenPair pair = golden_pair(golden, std::to_string(pairs));
    CAPTURE(pairs);
    const std::vector<double>& w = pair.wants;
    const bool some = !pair.masks.no_truth() && !pair.masks.no_prediction();
    CHECK(agree(as(pair, "full", "dice"), w[0], kDouble));
    CHECK(agree(as(pair, "full", "hd95"), w[1], kDouble));
    CHECK(agree(as(pair, "full", "assd"), w[2], kDouble));
    CHECK(agree(as(pair, "monai", "dice"), w[3], kFloat));
    // torch.quantile() rounds the rank to f32, which moves it by n * 2^-24 of the gap between two distances.
    const auto voxels = static_cast<double>(pair.masks.truth.size());
    const double gap = std::ranges::max(pair.masks.spacing_mm);
    CHECK(agree(as(pair, "monai", "hd95"), w[4], kFloat + voxels * gap * 0x1p-24));
    CHECK(agree(as(pair, "monai", "nsd"), w[5], kFloat));
    CHECK(agree(as(pair, "full", "hd95_surfel"), w[7], kDouble));
    CHECK(agree(as(pair, "full", "nsd_surfel"), w[8], kDouble));
    if (some) {
      CHECK(agree(surface_dice(surface_distances(pair.masks, 1), 2), w[6], kFloat));
      CHECK(agree(surface_dice(surfel_distances(pair.masks, 1), 2), w[9], kDouble));
    } else {
      CHECK(std::isinf(hd95_surfel_mm(surfel_distances(pair.masks, 1))));
    }
  }
  CHECK(pairs == 22);
}

TEST_CASE("the area of every corner of a surface is that of surface-distance", "[conventions]") {
  const SafetensorsFile golden(VOX_SOURCE_DIR "/tests/golden/scores.safetensors");
  for (int i = 0; i < 4; ++i) {
    const auto spacing = golden.read<double>("area_spacing." + std::to_string(i));
    const auto wants = golden.read<double>("areas." + std::to_string(i));
    const auto got = surfel_areas_mm2({spacing[0], spacing[1], spacing[2]});
    for (std::size_t code = 0; code < 256; ++code) {
      CAPTURE(i, code);
      CHECK(agree(got[code], wants[code], kDouble));
    }
  }
}

TEST_CASE("distances are the same bits on any number of threads", "[conventions][threads]") {
  const SafetensorsFile golden(VOX_SOURCE_DIR "/tests/golden/scores.safetensors");
  const GoldenPair pair = golden_pair(golden, "15");
  const SurfaceDistances one = surface_distances(pair.masks, 1);
  const SurfaceDistances three = surface_distances(pair.masks, 3);
  CHECK(one.from_truth == three.from_truth);
  CHECK(one.from_predicted == three.from_predicted);
  CHECK(hd95_surfel_mm(surfel_distances(pair.masks, 1)) == hd95_surfel_mm(surfel_distances(pair.masks, 3)));
}

}  // namespace vox::test
