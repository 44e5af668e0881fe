#include "data/scoring/scored_case.h"

#include <utility>

namespace vox {
namespace {

template <class Key, class Value, class Make>
const Value& once(std::map<Key, Value>& known, const Key& key, const Make& make) {
  const auto found = known.find(key);
  return found != known.end() ? found->second : known.emplace(key, make()).first->second;
}

}  // namespace

ScoredCase::ScoredCase(ClassPair classes, const Confusion& confusion, int threads)
    : classes_(std::move(classes)),
      confusion_(confusion),
      threads_(threads),
      lesions_(std::make_shared<std::map<std::string, std::vector<LesionScores>>>()) {}

ScoredCase ScoredCase::all_background() const {
  ScoredCase nothing(classes_.all_background(), confusion_.all_background(), threads_);
  nothing.lesions_ = lesions_;
  nothing.background_ = true;
  return nothing;
}

double ScoredCase::voxel_ml() const {
  const auto& mm = classes_.whole.spacing_mm;
  return mm[0] * mm[1] * mm[2] / 1000;
}

const MaskPair& ScoredCase::masks(const ScoredRegion& region) {
  return once(masks_, region.classes, [&] { return mask_pair(classes_, region); });
}

const SurfaceDistances& ScoredCase::surfaces(const ScoredRegion& region) {
  return once(surfaces_, region.classes, [&] { return surface_distances(masks(region), threads_); });
}

const SurfelDistances& ScoredCase::surfels(const ScoredRegion& region) {
  return once(surfels_, region.classes, [&] { return surfel_distances(masks(region), threads_); });
}

const std::vector<LesionScores>& ScoredCase::lesions(const LesionRules& rules) {
  constexpr std::uint8_t kAllParts = 0b111111;
  if (background_ && lesions_->contains(rules.name)) {
    return once(nothing_found_, rules.name, [&] {
      std::vector<LesionScores> nothing;
      for (const LesionScores& s : lesions_->at(rules.name)) { nothing.push_back(nothing_found(s, rules)); }
      return nothing;
    });
  }
  return once(background_ ? nothing_found_ : *lesions_, rules.name,
              [&] { return lesion_scores(classes_, rules, kAllParts, threads_); });
}

}  // namespace vox
