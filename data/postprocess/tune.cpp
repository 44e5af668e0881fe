#include "data/postprocess/tune.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

std::size_t at(Region r) { return static_cast<std::size_t>(r); }

LabelMap cut(const LabelMap& whole, const Box& box) {
  LabelMap part;
  part.geometry = whole.geometry;
  part.geometry.size = box.size;
  for (std::int64_t d = 0; d < box.size[0]; ++d) {
    for (std::int64_t h = 0; h < box.size[1]; ++h) {
      const auto* const row = whole.values.data() + whole.index(box.start[0] + d, box.start[1] + h, box.start[2]);
      part.values.insert(part.values.end(), row, row + box.size[2]);
    }
  }
  return part;
}

using Values = std::vector<PostprocessRules>;

/// What comes after these rules when one more is tried: with each of its values.
using Tries = std::function<Values(const PostprocessRules&)>;

Tries sizes(double& (*of)(PostprocessRules&), std::vector<double> mm3) {
  return [of, mm3 = std::move(mm3)](const PostprocessRules& rules) {
    Values tried;
    for (const double size : mm3) {
      tried.push_back(rules);
      of(tried.back()) = size;
    }
    return tried;
  };
}

Tries flag(bool& (*of)(PostprocessRules&)) {
  return [of](const PostprocessRules& rules) {
    Values tried{rules};
    of(tried.back()) = true;
    return tried;
  };
}

const std::vector<Tries>& all_tries() {
  static const std::vector<Tries> kAll{
      flag([](PostprocessRules& r) -> bool& { return r.keep_largest[at(Region::wt)]; }),
      sizes([](PostprocessRules& r) -> double& { return r.min_component_mm3[at(Region::wt)]; },
            {50, 100, 250, 500, 1000, 2500, 5000}),
      sizes([](PostprocessRules& r) -> double& { return r.min_component_mm3[at(Region::tc)]; },
            {25, 50, 100, 250, 500, 1000}),
      sizes([](PostprocessRules& r) -> double& { return r.min_component_mm3[at(Region::et)]; },
            {10, 25, 50, 100, 250, 500}),
      sizes([](PostprocessRules& r) -> double& { return r.min_enhancing_mm3; },
            {10, 25, 50, 100, 200, 300, 500, 1000, 2000}),
      flag([](PostprocessRules& r) -> bool& { return r.fill_holes[at(Region::wt)]; }),
      flag([](PostprocessRules& r) -> bool& { return r.fill_holes[at(Region::tc)]; }),
  };
  return kAll;
}

/// Dice of every case, by rules; each is worked out once.
class Scores {
 public:
  Scores(const std::vector<TuningCase>& cases, int threads, const std::function<void(std::int64_t)>& progress)
      : cases_(cases), threads_(threads), progress_(progress) {}

  const std::vector<RegionDice>& of(const PostprocessRules& rules) {
    const auto [entry, fresh] = known_.try_emplace(to_json(rules));
    if (!fresh) { return entry->second; }
    std::vector<RegionDice>& dice = entry->second;
    dice.resize(cases_.size());
    parallel_for(threads_, std::ssize(cases_), [&](std::int64_t i) {
      const TuningCase& c = cases_[static_cast<std::size_t>(i)];
      LabelMap predicted = c.predicted;
      postprocess(predicted, rules);
      Confusion confusion;
      confusion.add(c.truth.values, predicted.values);
      for (const Region r : kRegions) {
        dice[static_cast<std::size_t>(i)][at(r)] = overlap_scores(confusion.of_region(r)).dice;
      }
    });
    if (progress_) { progress_(std::ssize(known_)); }
    return dice;
  }

 private:
  const std::vector<TuningCase>& cases_;
  int threads_;
  const std::function<void(std::int64_t)>& progress_;
  std::map<std::string, std::vector<RegionDice>> known_;
};

/// Sum over cases and regions, without one case (or none, for cases.size()).
double sum_without(const std::vector<RegionDice>& dice, std::size_t left_out) {
  double sum = 0;
  for (std::size_t i = 0; i < dice.size(); ++i) {
    if (i != left_out) { sum += std::accumulate(dice[i].begin(), dice[i].end(), 0.0); }
  }
  return sum;
}

PostprocessRules best_without(Scores& scores, std::size_t cases, std::size_t left_out) {
  constexpr double kLeastGain = 1e-6;
  const double values = static_cast<double>(cases - (left_out < cases ? 1 : 0)) * kRegions.size();
  PostprocessRules rules;
  double best = sum_without(scores.of(rules), left_out);
  for (const Tries& tries : all_tries()) {
    PostprocessRules chosen = rules;
    for (const PostprocessRules& tried : tries(rules)) {
      const double sum = sum_without(scores.of(tried), left_out);
      if (sum > best + kLeastGain * values) {
        best = sum;
        chosen = tried;
      }
    }
    rules = chosen;
  }
  return rules;
}

RegionDice mean(const std::vector<RegionDice>& dice) {
  RegionDice m{};
  for (const RegionDice& d : dice) {
    for (std::size_t r = 0; r < m.size(); ++r) { m[r] += d[r] / static_cast<double>(dice.size()); }
  }
  return m;
}

Json by_region(const RegionDice& dice) {
  Json j;
  for (const Region r : kRegions) { j[name(r)] = dice[at(r)]; }
  return j;
}

}  // namespace

TuningCase tuning_case(std::string id, const LabelMap& truth, const LabelMap& predicted) {
  VOX_CHECK(truth.geometry.size == predicted.geometry.size && truth.values.size() == predicted.values.size(),
            "{}: truth and prediction have {} and {} voxels", id, truth.values.size(), predicted.values.size());
  const Extent3& size = truth.geometry.size;
  Box box{.start = size, .size = {}};
  Extent3 end{};
  std::size_t v = 0;
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      for (std::int64_t w = 0; w < size[2]; ++w, ++v) {
        if (truth.values[v] == 0 && predicted.values[v] == 0) { continue; }
        const Extent3 here{d, h, w};
        for (std::size_t a = 0; a < 3; ++a) {
          box.start[a] = std::min(box.start[a], here[a]);
          end[a] = std::max(end[a], here[a] + 1);
        }
      }
    }
  }
  if (end[0] == 0) { box.start = {}; }
  for (std::size_t a = 0; a < 3; ++a) { box.size[a] = end[a] - box.start[a]; }
  return {.id = std::move(id), .truth = cut(truth, box), .predicted = cut(predicted, box)};
}

Tuned tune(const std::vector<TuningCase>& cases, int threads, const std::function<void(std::int64_t)>& progress) {
  VOX_CHECK(!cases.empty(), "tune: no cases");
  Scores scores(cases, threads, progress);
  Tuned tuned{.rules = best_without(scores, cases.size(), cases.size())};
  tuned.before = mean(scores.of({}));
  tuned.after = mean(scores.of(tuned.rules));
  std::vector<RegionDice> held_out;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const PostprocessRules rules = cases.size() > 1 ? best_without(scores, cases.size(), i) : PostprocessRules{};
    held_out.push_back(scores.of(rules)[i]);
  }
  tuned.held_out = mean(held_out);
  return tuned;
}

std::string to_json(const Tuned& tuned, const std::vector<TuningCase>& cases) {
  Json all = Json::parse(to_json(tuned.rules));
  std::vector<std::string> ids;
  std::ranges::transform(cases, std::back_inserter(ids), &TuningCase::id);
  all["tuned"] = {{"cases", ids},
                  {"dice_before", by_region(tuned.before)},
                  {"dice_after", by_region(tuned.after)},
                  {"dice_held_out", by_region(tuned.held_out)}};
  return json_text(all, 2);
}

}  // namespace vox
