// Texts of others: JSON, lists of cases, splits, rules, configurations, nnU-Net's plans, shapes.
#include <algorithm>
#include <vector>

#include "benchmarks/workloads/kernel_shape.h"
#include "data/cases/dataset_json.h"
#include "data/cases/layout_files.h"
#include "data/loading/splits.h"
#include "data/postprocess/postprocess.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tests/fuzz/target.h"
#include "tools/interchange/nnunet_plan.h"
#include "tools/ui/command_line.h"
#include "tools/verbs/config.h"

namespace vox::fuzz {
namespace {

void require_file_names(const Dataset& dataset) {
  for (const CaseFiles& c : dataset.cases) {
    const bool name = !c.id.empty() && c.id.find('/') == std::string::npos && c.id != "." && c.id != ".." &&
                      c.id.find('\0') == std::string::npos;
    require(name, "an id that is no file's name");
  }
}

}  // namespace

void fuzz_json(std::string_view bytes) {
  const Json read = Json::parse(bytes);
  require(Json::parse(json_text(read)) == read, "another value when written and read again");
}

void fuzz_splits(std::string_view bytes) {
  const std::vector<Split> read = read_splits(file_with("splits.json", bytes));
  const std::string path = file_with("again.json", "");
  write_splits(path, read);
  const std::vector<Split> again = read_splits(path);
  require(again.size() == read.size(), "other folds when written and read again");
  for (std::size_t i = 0; i < read.size(); ++i) {
    require(again[i].train == read[i].train && again[i].val == read[i].val, "another fold when written and read again");
  }
}

void fuzz_dataset_json(std::string_view bytes) {
  const DatasetJson read = read_dataset_json(file_with("dataset.json", bytes));
  static_cast<void>(stated_labels("dataset.json", read.labels));
  static_cast<void>(map_channels(read));
}

void fuzz_case_list_csv(std::string_view bytes) { require_file_names(list_cases(file_with("list.csv", bytes))); }
void fuzz_case_list_json(std::string_view bytes) { require_file_names(list_cases(file_with("list.json", bytes))); }

void fuzz_postprocess(std::string_view bytes) {
  const PostprocessRules read = read_postprocess_rules(file_with("rules.json", bytes));
  const std::string text = to_json(read);
  require(to_json(read_postprocess_rules(file_with("again.json", text))) == text, "other rules when written again");
}

/// The first line is a --set, the rest a file for --config.
void fuzz_config(std::string_view bytes) {
  const std::size_t end = std::min(bytes.find('\n'), bytes.size());
  const std::string setting(bytes.substr(0, end));
  const std::string file = file_with("config.toml", bytes.substr(std::min(end + 1, bytes.size())));
  CommandLine app("", "program");
  double lr = 1;
  std::int64_t batch = 2;
  std::vector<std::string> names;
  bool resume = false;
  const Command train = app.command("train", "");
  train.option("--lr", lr);
  train.option("-b,--batch", batch);
  train.option("--name", names);
  train.flag("--resume", resume, "");
  add_config_options(train);
  add_config_options(app.command("check", ""));
  static_cast<void>(app.read(apply_config(app, {"train", "--config", file, "--set", setting})));
}

void fuzz_nnunet_plans(std::string_view bytes) {
  constexpr std::string_view kDataset =
      R"({"channel_names":{"0":"T1","1":"T1ce","2":"T2","3":"FLAIR"},"labels":{"background":0,"whole tumor":[1,2,3],)"
      R"("tumor core":[2,3],"enhancing tumor":[3]},"regions_class_order":[1,2,3],"numTraining":1,"file_ending":".nii.gz"})";
  NnunetFiles files;
  files.plans = file_with("plans.json", bytes);
  files.dataset = file_with("dataset.json", kDataset);
  const NnunetPlan plan = read_nnunet_plan(files);
  check_config(plan.config);
}

void fuzz_kernel_shape(std::string_view bytes) {
  const bench::KernelShape shape = bench::parse_shape(std::string(bytes));
  require(bench::parse_shape(bench::text_of(shape)) == shape, "another shape when written and read again");
}

}  // namespace vox::fuzz
