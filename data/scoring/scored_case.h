#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/scoring/lesions.h"
#include "data/scoring/masks.h"
#include "data/scoring/surface_distances.h"

namespace vox {

/// A truth and a prediction as conventions look at them. What several of them want is computed once, when it is first
/// asked for. Not for several threads at a time.
class ScoredCase {
 public:
  /// confusion: of both with the parts (kCavity, kCyst) as the classes that networks take them for.
  ScoredCase(ClassPair classes, const Confusion& confusion, int threads);
  /// The same truth, nothing but background predicted: the trivial baseline.
  [[nodiscard]] ScoredCase all_background() const;

  [[nodiscard]] const ClassPair& classes() const { return classes_; }
  [[nodiscard]] const Confusion& confusion() const { return confusion_; }
  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] double voxel_ml() const;
  /// Of surface Dice, where a convention leaves it open.
  [[nodiscard]] double tolerance_mm() const { return tolerance_mm_; }
  void set_tolerance_mm(double mm) { tolerance_mm_ = mm; }

  [[nodiscard]] const MaskPair& masks(const ScoredRegion&);
  [[nodiscard]] const SurfaceDistances& surfaces(const ScoredRegion&);
  [[nodiscard]] const SurfelDistances& surfels(const ScoredRegion&);
  /// All regions of a rule, also those that the labels cannot show.
  [[nodiscard]] const std::vector<LesionScores>& lesions(const LesionRules&);

 private:
  ClassPair classes_;
  Confusion confusion_;
  int threads_;
  double tolerance_mm_ = 1;
  std::map<std::uint8_t, MaskPair> masks_;  // by ScoredRegion::classes
  std::map<std::uint8_t, SurfaceDistances> surfaces_;
  std::map<std::uint8_t, SurfelDistances> surfels_;
  // By LesionRules::name. The trivial baseline shares them: it follows from the scores of what was predicted.
  std::shared_ptr<std::map<std::string, std::vector<LesionScores>>> lesions_;
  std::map<std::string, std::vector<LesionScores>> nothing_found_;
  bool background_ = false;
};

}  // namespace vox
