#include "data/scoring/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "data/scoring/lesion_rules.h"
#include "data/scoring/side_by_side.h"
#include "engine/atomic_file.h"
#include "engine/context.h"
#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "tools/run/device_confusion.h"
#include "tools/ui/output.h"
#include "tools/ui/progress_bar.h"
#include "tools/ui/table.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/evaluation_report.h"

namespace vox {
namespace {

constexpr std::size_t kNamedExtras = 5;

struct Options {
  EvaluateOptions evaluate;
  std::string labels = "auto";
  std::string predicted_labels = "auto";
  std::vector<std::string> as;
  std::string summary;
  std::string csv;
  std::string report;
  int threads = 0;
  std::string device = "cpu";
};

void print_table(const Evaluation& e) {
  std::vector<std::vector<std::string>> rows{{"mean of " + std::to_string(e.cases.size()), "Dice", "HD95 mm",
                                              "sensitivity", "specificity", "precision", "IoU", "accuracy"}};
  const auto add = [&](const std::string& title, const RegionScores& s) {
    rows.push_back({title, fmt::format("{:.4f}", s.dice), fmt::format("{:.2f}", s.hd95_mm),
                    fmt::format("{:.4f}", s.sensitivity), fmt::format("{:.4f}", s.specificity),
                    fmt::format("{:.4f}", s.precision), fmt::format("{:.4f}", s.iou),
                    fmt::format("{:.4f}", s.accuracy)});
  };
  for (std::size_t r = 0; r < kRegions.size(); ++r) {
    add(std::string(name(kRegions[r])), e.mean[r]);
    add("  all background", e.baseline[r]);
  }
  fmt::print("{}", text_table(rows));
}

/// The scores of a validation, which know classes and no regions.
void print_classes(const Evaluation& e) {
  std::vector<std::vector<std::string>> rows{{"classes, all voxels", "accuracy", "precision", "recall", "F1", "IoU"}};
  const auto add = [&](const char* title, const Confusion& c, MacroOver over) {
    const MacroScores s = macro_scores(c, over);
    rows.push_back({title, fmt::format("{:.4f}", s.accuracy), fmt::format("{:.4f}", s.precision),
                    fmt::format("{:.4f}", s.recall), fmt::format("{:.4f}", s.f1), fmt::format("{:.4f}", s.iou)});
  };
  add("four classes", e.classes, MacroOver::all_classes);
  add("  all background", e.classes.all_background(), MacroOver::all_classes);
  add("without background", e.classes, MacroOver::foreground);
  add("  all background", e.classes.all_background(), MacroOver::foreground);
  fmt::print("\n{}", text_table(rows));
}

void print_notes(const Evaluation& e) {
  for (const bool truth : {true, false}) {
    const auto uses = [&](LabelConvention wanted) {
      return std::count_if(e.cases.begin(), e.cases.end(), [&](const EvaluatedCase& c) {
        return (truth ? c.truth_labels : c.predicted_labels) == wanted;
      });
    };
    fmt::print("labels of the {}:", truth ? "truth" : "prediction");
    for (const LabelConvention l : kLabelConventions) {
      if (uses(l) > 0) {
        fmt::print(" {} (enhancing = {}) in {} {}", name(l), enhancing_label(l), uses(l),
                   uses(l) == 1 ? "file" : "files");
      }
    }
    fmt::print("\n");
  }
  const auto unknown = std::ranges::count_if(e.cases, &EvaluatedCase::unit_unknown);
  if (unknown > 0) {
    fmt::print("note: files of {} {} name no unit of length: mm is assumed\n", unknown,
               unknown == 1 ? "case" : "cases");
  }
  if (!e.missing.empty()) { fmt::print("left out, no prediction: {}\n", fmt::join(e.missing, ", ")); }
  if (!e.extras.empty()) {
    const std::span first(e.extras.data(), std::min(e.extras.size(), kNamedExtras));
    fmt::print("ignored, no such case: {}{}\n", fmt::join(first, ", "), first.size() < e.extras.size() ? ", ..." : "");
  }
}

/// The scores of each convention beside the others', and why they differ.
void print_conventions(const Evaluation& e, double tolerance_mm) {
  fmt::print("{} {}; tolerance of NSD {} mm where a convention has none of its own\n{}\n", e.cases.size(),
             e.cases.size() == 1 ? "case" : "cases", tolerance_mm, text_table(side_by_side(e.as)));
  for (const std::string& line : rules_in_words(e.as)) { fmt::print("{}\n", line); }
  for (const ConventionScores& of : e.as) {
    for (const ScoredRegion& region : of.convention->regions) {
      const auto without =
          std::ranges::count_if(e.cases, [&](const EvaluatedCase& c) { return !has_region(c.parts, region); });
      if (without > 0) {
        fmt::print("note: {} scores {}, which the labels of {} of {} cases do not have: not scored there\n",
                   of.convention->name, region.name, without, e.cases.size());
      }
    }
  }
  const std::vector<std::string> why = differences(e.as);
  if (!why.empty()) { fmt::print("\nwhy they differ:\n"); }
  for (const std::string& line : why) { fmt::print("  {}\n", line); }
}

std::vector<const Convention*> named_conventions(const std::vector<std::string>& names) {
  std::vector<const Convention*> found;
  std::vector<std::string> known;
  for (const Convention& c : all_conventions()) { known.push_back(c.name); }
  for (const std::string& name : names) {
    const Convention* const c = find_convention(name);
    VOX_CHECK(why_no_lesion_rules(name).empty(), "--as {}: {}", name, why_no_lesion_rules(name));
    const std::string meant = nearest(name, known);
    VOX_CHECK(c != nullptr, "--as: '{}' is no convention{}; there are {}", name,
              meant.empty() ? "" : ": did you mean " + meant + "?", all_convention_names());
    if (std::ranges::find(found, c) == found.end()) { found.push_back(c); }
  }
  return found;
}

void run(Options options) {
  outlive_readers();
  options.evaluate.as = named_conventions(options.as);
  options.evaluate.labels = labels_option(options.labels);
  options.evaluate.predicted_labels = labels_option(options.predicted_labels);
  options.evaluate.threads = threads_or_all(options.threads);
  options.evaluate.ranks = &world();
  if (select_device(options.device) != Device::cpu) {
    options.evaluate.count = [device = options.device](const auto& truth, const auto& predicted) {
      return count_on(device, truth, predicted);
    };
  }
  std::unique_ptr<ProgressBar> bar;
  const Evaluation result = evaluate(options.evaluate, [&](std::int64_t done, std::int64_t all) {
    if (!bar) { bar = std::make_unique<ProgressBar>("evaluate", all, "case"); }
    bar->update(done);
  });
  bar.reset();
  if (!is_first_rank()) { return; }
  if (!options.summary.empty()) { write_file(options.summary, summary_json(result)); }
  if (!options.report.empty()) { write_evaluation_report(options.report, summary_json(result), options.evaluate); }
  if (!options.csv.empty()) { write_file(options.csv, cases_csv(result)); }
  print_notes(result);
  if (!result.as.empty()) {
    print_conventions(result, options.evaluate.tolerance_mm);
    return;
  }
  print_table(result);
  print_classes(result);
}

}  // namespace

void add_evaluate(Command app) {
  const Command verb = app.command("evaluate", "Score segmentations against the truth: Dice, HD95 and more");
  auto options = std::make_shared<Options>();
  verb.option("-g,--truth", options->evaluate.truth,
              "folder of BraTS cases or of label files ID.nii.gz, or one label file")
      .required()
      .type_name("PATH");
  verb.option("-p,--prediction", options->evaluate.predicted, "folder of label files ID.nii.gz, or one label file")
      .required()
      .type_name("PATH");
  verb.option("--as", options->as,
              "score by the rules of these, side by side, and say why they differ: " + all_convention_names())
      .delimiter(',')
      .repeatable()
      .type_name("NAME,...")
      .default_text("");
  verb.option("--tolerance", options->evaluate.tolerance_mm,
              "of NSD in --as, where a convention has none of its own, mm")
      .not_negative();
  verb.option("-o,--output", options->summary, "write means and cases as JSON").type_name("FILE.json");
  verb.option("--csv", options->csv, "write one row per case").type_name("FILE.csv");
  verb.option("--report", options->report, "write a page with all scores, and pictures of three cases")
      .type_name("FILE.html");
  add_labels_option(verb, options->labels);
  verb.option("--prediction-labels", options->predicted_labels,
              "of the predictions, where they have others than --labels says");
  verb.flag("--allow-missing", options->evaluate.allow_missing, "leave cases without a prediction out, and say so");
  verb.option("--device", options->device, "where voxels are counted: cpu, cuda, cuda:N or simt");
  verb.option("--threads", options->threads, "cases scored at a time; 0: one per core").not_negative();
  verb.run([options] { run(*options); });
}

}  // namespace vox
