#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "data/check/read_classes.h"
#include "data/check/same_place.h"
#include "data/postprocess/tune.h"
#include "data/scoring/pairs.h"
#include "engine/atomic_file.h"
#include "engine/context.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"
#include "tools/ui/output.h"
#include "tools/ui/progress_bar.h"
#include "tools/ui/table.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

struct Options {
  std::filesystem::path truth;
  std::filesystem::path predicted;
  std::string output;
  std::string labels = "auto";
  int threads = 0;
};

TuningCase read(const LabelPair& pair, const LabelRules& of_truth, const LabelRules& of_predicted) {
  const ClassMap truth = read_classes(pair.truth, of_truth);
  const ClassMap predicted = read_classes(pair.predicted, of_predicted);
  check_same_place(pair.truth.file.string(), truth.classes.geometry, pair.predicted.file.string(),
                   predicted.classes.geometry);
  return tuning_case(pair.truth.id, truth.classes, predicted.classes);
}

void print_table(const Tuned& t) {
  std::vector<std::vector<std::string>> rows{{"mean Dice", "WT", "TC", "ET"}};
  const auto add = [&](const char* title, const RegionDice& dice) {
    rows.push_back({title});
    for (const double d : dice) { rows.back().push_back(fmt::format("{:.4f}", d)); }
  };
  add("as predicted", t.before);
  add("with the rules", t.after);
  add("with rules of the other cases", t.held_out);
  fmt::print("{}", text_table(rows));
}

void run(const Options& o) {
  outlive_readers();
  const int threads = threads_or_all(o.threads);
  std::vector<LabelPair> pairs = pair_labels(o.truth, o.predicted).pairs;
  const std::size_t all = pairs.size();
  std::erase_if(pairs, [](const LabelPair& p) { return p.predicted.file.empty(); });
  VOX_CHECK_DATA(!pairs.empty(), "{}: holds no prediction for a case of {}", o.predicted.string(), o.truth.string());
  if (pairs.size() < all) { print_safely("left out, no prediction: {} of {} cases\n", all - pairs.size(), all); }
  const auto rules_of = [&](LabelFile LabelPair::*side) {
    std::vector<LabelFile> files;
    std::ranges::transform(pairs, std::back_inserter(files), side);
    return label_rules(labels_option(o.labels), files, threads);
  };
  const LabelRules of_truth = rules_of(&LabelPair::truth);
  const LabelRules of_predicted = rules_of(&LabelPair::predicted);
  std::vector<TuningCase> cases(pairs.size());
  parallel_for(threads, std::ssize(pairs), [&](std::int64_t i) {
    cases[static_cast<std::size_t>(i)] = read(pairs[static_cast<std::size_t>(i)], of_truth, of_predicted);
  });
  const Tuned tuned = tune(cases, threads);
  write_file(o.output, to_json(tuned, cases) + "\n");
  fmt::print("{} cases: {}\n", cases.size(), to_json(tuned.rules));
  print_table(tuned);
  if (tuned.rules == PostprocessRules{}) { fmt::print("nothing that was tried is better than to leave it out\n"); }
  fmt::print("{}: for predict --postprocess\n", o.output);
}

}  // namespace

void add_tune(Command app) {
  const Command verb = app.command("tune", "Find post-processing rules on segmentations of cases with labels");
  const auto options = std::make_shared<Options>();
  verb.option("-g,--truth", options->truth, "folder of BraTS cases or of label files ID.nii.gz")
      .required()
      .type_name("PATH");
  verb.option("-p,--prediction", options->predicted,
              "folder of label files ID.nii.gz, of cases that the network was not trained on")
      .required()
      .type_name("PATH");
  verb.option("-o,--output", options->output, "the rules, for predict --postprocess").required().type_name("FILE.json");
  add_labels_option(verb, options->labels);
  verb.option("--threads", options->threads, "cases at a time; 0: one per core").not_negative();
  verb.run([options] { run(*options); });
}

}  // namespace vox
