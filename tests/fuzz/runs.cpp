// What a run's folder holds beside checkpoints, and Keras' files.
#include <filesystem>

#include "kernels/base/check.h"
#include "tests/fuzz/target.h"
#include "tools/interchange/event_file.h"
#include "tools/interchange/keras_weights.h"
#include "tools/run/run_history.h"
#include "tools/run/run_log.h"
#include "tools/run/run_record.h"

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

void fuzz_event_file(std::string_view bytes) {
  const std::string path = file_with("events.tfevents", bytes);
  EventFile file(path, [](const BoardEvent& e) { return e.step < 5; });
  file.write({.step = 5, .scalars = {{"a", 1.0}}});
}

/// HDF5's library parses the file; what it hands over is ours. It is not instrumented.
void fuzz_keras(std::string_view bytes) { static_cast<void>(read_keras(file_with("weights.h5", bytes))); }

}  // namespace vox::fuzz
