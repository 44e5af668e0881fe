#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <vector>

#include "engine/append_file.h"
#include "engine/json.h"
#include "tools/run/run_history.h"

namespace vox {

/// log.jsonl of a run: one JSON object a line, each with its "type" and the "step" it came after; docs/run-folder.md
/// says them all. Throws OutputError where the file cannot be written.
class RunLog {
 public:
  /// Opens for appending. What a resumed run writes again is dropped first: lines of steps after `last_step`, and those
  /// of type "epoch", which come when an epoch has ended, of epochs after `last_epoch`.
  RunLog(const std::filesystem::path&, std::int64_t last_step,
         std::int64_t last_epoch = std::numeric_limits<std::int64_t>::max());
  void write(const Json& line);
  void sync() { out_->sync(); }  ///< what was written is on disk
  /// The "epoch" lines so far.
  [[nodiscard]] const std::vector<Json>& epochs() const { return history_.epochs(); }
  [[nodiscard]] const RunHistory& history() const { return history_; }

 private:
  std::optional<AppendFile> out_;  ///< once what is kept of the old one has been written
  RunHistory history_;
};

}  // namespace vox
