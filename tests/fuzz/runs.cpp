// What a run's folder holds beside checkpoints, and Keras' files.
#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "engine/json.h"
#include "kernels/base/check.h"
#include "model/scaling.h"
#include "tests/fuzz/target.h"
#include "tools/interchange/event_file.h"
#include "tools/interchange/keras_weights.h"
#include "tools/report/page.h"
#include "tools/run/run_history.h"
#include "tools/run/run_log.h"
#include "tools/run/run_record.h"
#include "tools/run/run_report.h"
#include "tools/verbs/compare_runs.h"

namespace vox::fuzz {

void fuzz_run_log(std::string_view bytes) {
  const std::filesystem::path log = file_with("log.jsonl", bytes);
  const RunRecord run = read_run(log.parent_path());
  if (!run.validated.empty()) { static_cast<void>(run.best()); }
  static_cast<void>(run.seconds());
  const RunHistory history = read_history(log);
  static_cast<void>(history.best());
  const RunLog resumed(log, 3, 1);
}

/// log.jsonl, data.json, pictures.json and env.json of a run, as its page shows them.
void fuzz_report(std::string_view bytes) {
  static const std::filesystem::path run = emptied_folder("run");
  constexpr std::array kNames{"log.jsonl", "data.json", "pictures.json", "env.json"};
  const std::vector<std::string_view> parts = texts(bytes, kNames.size());
  for (std::size_t i = 0; i < kNames.size(); ++i) { put_file(run / kNames[i], parts[i]); }
  const Json page = run_model(run, read_history(run / kNames[0]), false);
  const std::string html = report_page(page);
  require(html.find("<script>alert") == std::string::npos, "a page with a script of its data");
}

/// The logs of two runs, compared.
void fuzz_two_runs(std::string_view bytes) {
  constexpr std::size_t kMostCases = 8;  // of each 10,000 samples are drawn
  const std::vector<std::string_view> logs = texts(bytes, 2);
  std::vector<RunRecord> runs;
  for (const char* const name : {"a", "b"}) {
    const std::filesystem::path folder = emptied_folder(name);
    put_file(folder / "log.jsonl", logs[runs.size()]);
    runs.push_back(read_run(folder));
  }
  const ComparedText settings = differing_settings(runs[0], runs[1]);
  require(!settings.text.empty() || runs[0].program == runs[1].program, "other programs without a word");
  const auto cases = [](const RunRecord& r) { return r.validated.empty() ? 0 : r.best().cases.size(); };
  if (std::max(cases(runs[0]), cases(runs[1])) <= kMostCases) { static_cast<void>(compare_runs(runs[0], runs[1])); }
  static_cast<void>(compare_bits(runs[0], runs[1]));
}

/// What doctor measured between ranks, for plan.
void fuzz_fabric(std::string_view bytes) {
  const Fabric f = measured_fabric(bytes, "doctor.json");
  require(f.latency_s > 0 && f.bytes_per_s > 0, "a fabric that carries nothing");
}

void fuzz_event_file(std::string_view bytes) {
  const std::string path = file_with("events.tfevents", bytes);
  EventFile file(path, [](const BoardEvent& e) { return e.step < 5; });
  file.write({.step = 5, .scalars = {{"a", 1.0}}});
}

/// HDF5's library parses the file; what it hands over is ours. It is not instrumented.
void fuzz_keras(std::string_view bytes) { static_cast<void>(keras_of_file("weights.h5", std::string(bytes))); }

}  // namespace vox::fuzz
