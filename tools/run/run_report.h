#pragma once

#include <filesystem>
#include <future>
#include <span>
#include <string>
#include <vector>

#include "engine/json.h"
#include "engine/ranks/communicator.h"
#include "tools/run/run_history.h"
#include "tools/run/validation_pictures.h"

namespace vox {

/// report.html of a run and what it is made of: log.jsonl, config.toml, env.json, and, where they are there, data.json
/// (label volumes) and pictures.json (the cases drawn when the network was last the best). Never changes the training.
/// Of several ranks the first one writes; the others keep predictions for it.
class RunReport {
 public:
  /// on: false makes nothing. history: of the run, must live as long.
  RunReport(std::filesystem::path run, bool on, const RunHistory& history, Communicator&);
  ~RunReport();  ///< writes what says that the run goes on once more, as one that does not
  RunReport(const RunReport&) = delete;
  RunReport& operator=(const RunReport&) = delete;
  RunReport(RunReport&&) = delete;
  RunReport& operator=(RunReport&&) = delete;

  /// Counts the labels of the cases, where the run is fresh or data.json is not there. What another run left in the
  /// folder of a fresh one is removed.
  void begin(bool fresh, std::span<const std::filesystem::path> train, std::span<const std::filesystem::path> val,
             int threads);
  /// What a validation tells; keeps its predictions until the next one begins.
  [[nodiscard]] OnValidated listener(Targets);
  /// Draws what was kept, by all ranks, on a thread of its own: a page that is written before it is done has the
  /// pictures before. Collective.
  void improved(std::int64_t epoch);
  /// running: the page reads itself again; else it has the last pictures, too. What cannot be written, whatever the
  /// reason, is said once, and again at the end of the program (tools/ui/output.h); the training goes on.
  void write(bool running);

 private:
  template <class Write> void try_to(const Write&);
  void wait_for_pictures();

  std::filesystem::path run_;
  bool on_;
  const RunHistory& history_;
  Communicator& ranks_;
  bool writes_;
  std::vector<std::filesystem::path> val_;
  ValidationPictures pictures_;
  std::future<void> drawing_;
  bool says_running_ = false;
  bool said_ = false;  ///< that a file cannot be written
};

/// The curves of a run as a section of its page (tools/report/page.h).
[[nodiscard]] Json run_curves(const RunHistory&);
/// The page of a run from its folder.
[[nodiscard]] Json run_model(const std::filesystem::path& run, const RunHistory&, bool running);

}  // namespace vox
