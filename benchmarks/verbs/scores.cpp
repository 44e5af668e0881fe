#include <fmt/core.h>

#include <filesystem>
#include <functional>

#include "benchmarks/measure/clocks.h"
#include "benchmarks/measure/machine.h"
#include "benchmarks/measure/spread.h"
#include "benchmarks/verbs/bench.h"
#include "data/check/read_classes.h"
#include "data/scoring/convention.h"
#include "data/scoring/pairs.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

struct Options {
  std::string truth;
  std::string predicted;
  std::string labels = "auto";
  int threads = 1;
  int rounds = 5;
  std::string json;
  std::string csv;
};

struct Work {
  std::string name;
  std::function<void()> run;
};

const std::vector<ScoredRegion> kThree{kWholeTumour, kTumourCore, kEnhancing};

/// One score of all three regions alone, from two volumes of classes; where a mask is empty nothing is measured.
template <class Score> Work alone(const char* name, const LabelMap& truth, const LabelMap& predicted, Score score) {
  return {name, [&truth, &predicted, score] {
            const ClassPair classes = class_pair(truth.geometry, truth.values, predicted.values);
            for (const ScoredRegion& region : kThree) {
              const MaskPair masks = mask_pair(classes, region);
              if (!masks.no_truth() && !masks.no_prediction()) { static_cast<void>(score(masks)); }
            }
          }};
}

std::vector<Work> all_work(const ClassMap& truth, const ClassMap& predicted, int threads) {
  const LabelMap& t = truth.classes;
  const LabelMap& p = predicted.classes;
  std::vector<Work> work{
      alone("dice", t, p, [](const MaskPair& m) { return overlap_scores(m.counts).dice; }),
      alone("hd95", t, p, [=](const MaskPair& m) { return hd95_pooled_mm(surface_distances(m, threads)); }),
      alone("hd95_max", t, p, [=](const MaskPair& m) { return hd95_larger_mm(surface_distances(m, threads)); }),
      alone("assd", t, p, [=](const MaskPair& m) { return average_distance_mm(surface_distances(m, threads)); }),
      alone("nsd", t, p, [=](const MaskPair& m) { return surface_dice(surface_distances(m, threads), 1); }),
      alone("hd95_surfel", t, p, [=](const MaskPair& m) { return hd95_surfel_mm(surfel_distances(m, threads)); }),
      alone("nsd_surfel", t, p, [=](const MaskPair& m) { return surface_dice(surfel_distances(m, threads), 1); })};
  const auto scored_as = [&truth, &predicted, threads](const std::vector<const Convention*>& conventions) {
    return [&truth, &predicted, threads, conventions] {
      Confusion confusion;
      confusion.add(truth.classes.values, predicted.classes.values);
      ScoredCase scored(class_pair(truth.classes.geometry, truth.classes.values, predicted.classes.values), confusion,
                        threads);
      ScoredCase baseline = scored.all_background();
      for (const Convention* const c : conventions) {
        static_cast<void>(score_as(*c, scored, {}));
        static_cast<void>(score_as(*c, baseline, {}));
      }
    };
  };
  std::vector<const Convention*> every;
  for (const Convention& c : all_conventions()) {
    work.push_back({"as " + c.name, scored_as({&c})});
    every.push_back(&c);
  }
  work.push_back({"as all of these", scored_as(every)});
  return work;
}

ClassMap read(const LabelFile& file, const Options& o) {
  return read_classes(file, label_rules(labels_option(o.labels), std::vector<LabelFile>{file}, 1));
}

void run(const Options& o) {
  const LabelPairs files = pair_labels(o.truth, o.predicted);
  VOX_CHECK_DATA(files.pairs.size() == 1 && !files.pairs.front().predicted.file.empty(),
                 "{} and {}: want one label file each", o.truth, o.predicted);
  const ClassMap truth = read(files.pairs.front().truth, o);
  const ClassMap predicted = read(files.pairs.front().predicted, o);
  VOX_CHECK_DATA(truth.classes.geometry.size == predicted.classes.geometry.size, "{} and {} differ in size", o.truth,
                 o.predicted);
  Report report({.json = o.json, .csv = o.csv});
  report.head(machine_facts(Device::cpu));
  report.head({{"rounds", fmt::format("{} after one that does not count; {} threads; WT, TC and ET together, from two "
                                      "volumes in memory",
                                      o.rounds, o.threads)}});
  report.table({{.heading = "score", .width = 24, .text = true},
                {.heading = "cpu ms", .width = 8},
                {.heading = "ms", .width = 8},
                {.heading = "spread %"}});
  for (const Work& work : all_work(truth, predicted, o.threads)) {
    std::vector<double> wall_s;
    std::vector<double> processor_s;
    for (int round = -1; round < o.rounds; ++round) {
      const Times t = measured(work.run);
      if (round < 0) { continue; }
      wall_s.push_back(t.wall_s);
      processor_s.push_back(t.processor_s);
    }
    const Spread processor = spread_of(processor_s);
    const double wall = spread_of(wall_s).median;
    report.row({{"score", work.name},
                {"processor_ms", 1e3 * processor.median},
                {"ms", 1e3 * wall},
                {"spread", processor.relative()},
                {"processor_samples_s", processor_s}},
               {work.name, digits(1e3 * processor.median), digits(1e3 * wall), percent(processor.relative())});
  }
  report.finish();
}

}  // namespace

void add_scores_verb(Command bench) {
  const Command verb = bench.command("scores", "Every score and convention of `evaluate` on one case");
  const auto o = std::make_shared<Options>();
  verb.option("-g,--truth", o->truth, "a label file").required().type_name("FILE");
  verb.option("-p,--prediction", o->predicted, "a label file").required().type_name("FILE");
  verb.option("--labels", o->labels, "edition whose numbers the files have, as for evaluate");
  verb.option("--threads", o->threads).positive();
  verb.option("--rounds", o->rounds).positive();
  verb.option("--json", o->json, "a file for all figures, samples included");
  verb.option("--csv", o->csv, "a file for the rows of the table");
  verb.run([o] { run(*o); });
}

}  // namespace vox::bench
