// What a run's folder holds beside checkpoints, and Keras' files.
#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "engine/json.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "model/scaling.h"
#include "tests/fuzz/target.h"
#include "tools/interchange/event_file.h"
#include "tools/interchange/keras_bytes.h"
#include "tools/interchange/keras_weights.h"
#include "tools/report/page.h"
#include "tools/run/run_history.h"
#include "tools/run/run_log.h"
#include "tools/run/run_record.h"
#include "tools/run/run_report.h"
#include "tools/run/training_progress.h"
#include "tools/verbs/compare_runs.h"

namespace vox::fuzz {

void fuzz_run_log(std::string_view bytes) {
  const std::filesystem::path log = file_with("log.jsonl", bytes);
  const RunRecord run = read_run(log.parent_path());
  if (!run.validated.empty()) { static_cast<void>(run.best()); }
  static_cast<void>(run.seconds());
  const RunHistory history = read_history(log);
  static_cast<void>(history.best());
  RunLog resumed(log, 3, 1);
  const std::size_t notes = resumed.history().notes().size();
  resumed.write({{"type", "note"}, {"step", 3}, {"note", "goes on"}});
  require(read_history(log).notes().size() == notes + 1, "a log that loses the line that is written last");
}

/// log.jsonl, data.json, pictures.json and env.json of a run, as its page shows them.
void fuzz_report(std::string_view bytes) {
  static const std::filesystem::path run = emptied_folder("run <voxgrad> \"&'");
  constexpr std::array kNames{"log.jsonl", "data.json", "pictures.json", "env.json"};
  const std::vector<std::string_view> parts = texts(bytes, kNames.size());
  for (std::size_t i = 0; i < kNames.size(); ++i) { put_file(run / kNames[i], parts[i]); }
  const Json page = run_model(run, read_history(run / kNames[0]), false);
  const std::string html = report_page(page);
  require(html.find("<script>alert") == std::string::npos, "a page with a script of its data");
  require(html.find("<voxgrad>") == std::string::npos, "a page with its folder's name as HTML");
}

/// The logs of two runs, and their options, as checkpoints have them: compared.
void fuzz_two_runs(std::string_view bytes) {
  constexpr std::size_t kMostCases = 8;  // of each 10,000 samples are drawn
  static const UNet3d net(with_widths(unet_preset("seed"), {1, 1, 1}), DType::f32, std::nullopt);
  static const std::string progress = to_json(TrainingProgress());
  const std::vector<std::string_view> parts = texts(bytes, 4);
  std::vector<RunRecord> runs;
  for (const char* const name : {"a", "b"}) {
    const std::filesystem::path folder = emptied_folder(name);
    const std::string options(parts[runs.size() + 2]);
    if (!options.empty()) {
      save_checkpoint(folder / "last.safetensors", net, nullptr, {{"options", options}, {"training", progress}});
    }
    put_file(folder / "log.jsonl", parts[runs.size()]);
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

/// What a confined process that reads Keras' files answers: damaged files may have taken it over.
void fuzz_keras_bytes(std::string_view bytes) {
  const KerasModel model = keras_of_bytes(bytes, "weights.h5");
  require(to_bytes(model) == bytes, "other bytes when written again");
  UNetConfig config = with_widths(unet_preset("tutorial"), {1, 1, 1});
  const auto norms = [](const KerasLayer& l) { return l.kind == KerasLayer::Kind::batch_norm; };
  config.norm = std::ranges::any_of(model.layers, norms) ? Norm::batch : Norm::none;
  UNet3d net(keras_config(config, model, "weights.h5"), DType::f32, std::nullopt);
  take_keras_weights(net, model, "weights.h5");
}

/// HDF5's library parses the file; what it hands over is ours. It is not instrumented.
void fuzz_keras(std::string_view bytes) { static_cast<void>(keras_of_file("weights.h5", std::string(bytes))); }

}  // namespace vox::fuzz
