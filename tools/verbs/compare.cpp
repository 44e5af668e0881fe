#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "data/scoring/evaluate.h"
#include "data/scoring/paired.h"
#include "engine/atomic_file.h"
#include "engine/context.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/ui/progress_bar.h"
#include "tools/ui/table.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/compare_runs.h"

namespace vox {
namespace {

struct Args {
  EvaluateOptions evaluate;
  std::vector<std::string> predictions;
  bool bits = false;
  std::string labels = "auto";
  std::string summary;
  int threads = 0;
};

/// Of one region and score.
struct Row {
  Region region;
  std::string_view score;
  PairedDifference paired;
};

std::string ids_of(const Evaluation& e) {
  std::vector<std::string> ids;
  std::ranges::transform(e.cases, std::back_inserter(ids), &EvaluatedCase::id);
  return fmt::format("{}", fmt::join(ids, ", "));
}

std::vector<Row> compare(const Evaluation& a, const Evaluation& b) {
  std::vector<Row> rows;
  for (std::size_t r = 0; r < kRegions.size(); ++r) {
    for (const auto& [label, score] : kRegionScores) {
      std::vector<double> of_a;
      std::vector<double> of_b;
      for (const EvaluatedCase& c : a.cases) { of_a.push_back(c.scores[r].*score); }
      for (const EvaluatedCase& c : b.cases) { of_b.push_back(c.scores[r].*score); }
      rows.push_back({kRegions[r], label, compare_paired(of_a, of_b)});
    }
  }
  return rows;
}

void print(const std::vector<Row>& rows, std::size_t cases) {
  std::vector<std::vector<std::string>> table{
      {fmt::format("mean of {}", cases), "A", "B", "B - A", "95 % from", "to", "p (Wilcoxon)"}};
  for (const auto& [region, score, p] : rows) {
    if (score != "dice" && score != "hd95") { continue; }
    const int digits = score == "dice" ? 4 : 2;
    const auto number = [&](double x) { return fmt::format("{:.{}f}", x, digits); };
    const auto change = [&](double x) { return fmt::format("{:+.{}f}", x, digits); };
    table.push_back({fmt::format("{} {}", name(region), score == "dice" ? "Dice" : "HD95 mm"), number(p.mean_a),
                     number(p.mean_b), change(p.difference), change(p.low), change(p.high),
                     fmt::format("{:.3g}", p.p_value)});
  }
  fmt::print("{}", text_table(table));
}

std::string summary_of(const Args& args, const std::vector<Row>& rows, const Evaluation& a) {
  Json json{{"a", args.predictions[0]}, {"b", args.predictions[1]}, {"cases", a.cases.size()}};
  for (const auto& [region, score, p] : rows) {
    json["scores"][name(region)][score] = {{"a", p.mean_a}, {"b", p.mean_b},  {"difference", p.difference},
                                           {"low", p.low},  {"high", p.high}, {"p", p.p_value}};
  }
  json["conventions"] = {{"difference", "mean over cases of b - a"},
                         {"interval", "95 %, percentile bootstrap over cases, 10000 samples"},
                         {"p", "two-sided Wilcoxon signed-rank test over cases"}};
  return json_text(json, 2) + "\n";
}

void compare_predictions(Args args) {
  args.evaluate.labels = labels_option(args.labels);
  args.evaluate.threads = threads_or_all(args.threads);
  std::vector<Evaluation> both;
  for (const std::string& folder : args.predictions) {
    args.evaluate.predicted = folder;
    std::unique_ptr<ProgressBar> bar;
    both.push_back(evaluate(args.evaluate, [&](std::int64_t done, std::int64_t all) {
      if (!bar) { bar = std::make_unique<ProgressBar>("evaluate", all, "case"); }
      bar->update(done);
    }));
  }
  VOX_CHECK_DATA(ids_of(both[0]) == ids_of(both[1]),
                 "compare: {} has predictions of {}, and {} of {}; wants the same cases", args.predictions[0],
                 ids_of(both[0]), args.predictions[1], ids_of(both[1]));
  const std::vector<Row> rows = compare(both[0], both[1]);
  if (!args.summary.empty()) { write_file(args.summary, summary_of(args, rows, both[0])); }
  fmt::print("A: {}\nB: {}\n", args.predictions[0], args.predictions[1]);
  print(rows, both[0].cases.size());
}

enum class Kind : std::uint8_t { predictions, run, series };
constexpr std::array kKindNames{"predictions", "a training run", "a series of training runs"};

Kind kind_of(const std::string& folder) {
  if (is_run_folder(folder)) { return Kind::run; }
  return is_series_folder(folder) ? Kind::series : Kind::predictions;
}

void run(const Args& args) {
  VOX_CHECK(args.predictions.size() == 2, "compare: {} folders, wants two, A and B", args.predictions.size());
  const std::string& a = args.predictions[0];
  const std::string& b = args.predictions[1];
  for (const std::string& folder : args.predictions) {
    VOX_CHECK_DATA(std::filesystem::exists(folder), "{}: no such folder", folder);
  }
  const Kind kind = kind_of(a);
  VOX_CHECK(kind == kind_of(b), "compare: {} holds {}, {} holds {}; wants two of a kind", a,
            kKindNames[static_cast<std::size_t>(kind)], b, kKindNames[static_cast<std::size_t>(kind_of(b))]);
  VOX_CHECK(!args.bits || kind == Kind::run, "compare --bits: {} holds {}, wants two training runs", a,
            kKindNames[static_cast<std::size_t>(kind)]);
  if (kind == Kind::predictions) {
    VOX_CHECK(!args.evaluate.truth.empty(), "compare: {} holds no training run; for predictions give -g, the truth", a);
    compare_predictions(args);
    return;
  }
  VOX_CHECK(args.evaluate.truth.empty(), "compare: -g is for predictions; {} holds {}, which was validated", a,
            kKindNames[static_cast<std::size_t>(kind)]);
  const ComparedText compared = args.bits           ? compare_bits(read_run(a), read_run(b))
                                : kind == Kind::run ? compare_runs(read_run(a), read_run(b))
                                                    : compare_series(a, b);
  if (!args.summary.empty()) { write_file(args.summary, json_text(compared.json, 2) + "\n"); }
  fmt::print("A: {}\nB: {}\n{}", a, b, compared.text);
  if (compared.differ) { throw ExitCode{1}; }  // as cmp has it
}

}  // namespace

void add_compare(Command app) {
  const Command verb =
      app.command("compare", "Two sets of segmentations, training runs or series of them: is one better, or by chance");
  auto args = std::make_shared<Args>();
  verb.option("folders", args->predictions,
              "A and B: folders of label files ID.nii.gz, of training runs, or of series of them (--seeds, --fold all)")
      .required()
      .expected(2);
  verb.option("-g,--truth", args->evaluate.truth, "of label files: folder of BraTS cases or of label files ID.nii.gz")
      .type_name("PATH");
  verb.flag("--bits", args->bits, "of runs: the first step that differs; exit 1 where one does");
  verb.option("-o,--output", args->summary, "write all that was compared as JSON").type_name("FILE.json");
  add_labels_option(verb, args->labels);
  verb.flag("--allow-missing", args->evaluate.allow_missing, "leave cases without a prediction out, and say so");
  verb.option("--threads", args->threads, "cases scored at a time; 0: one per core").not_negative();
  verb.run([args] { run(*args); });
}

}  // namespace vox
