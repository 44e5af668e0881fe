#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <vector>

#include "engine/json.h"

namespace vox {

/// log.jsonl of a run: one JSON object a line, {"type": "start", ...} where it began or went on, {"type": "step", ...}
/// or
/// {"type": "epoch", ...}, each with its "step".
/// Throws OutputError where the file cannot be written.
class RunLog {
 public:
  /// Opens for appending. Lines of steps after `last_step` are dropped first: a resumed run writes them again.
  RunLog(const std::filesystem::path&, std::int64_t last_step);
  void write(const Json& line);
  /// The "epoch" lines so far.
  [[nodiscard]] const std::vector<Json>& epochs() const { return epochs_; }

 private:
  void check_written() const;

  std::filesystem::path path_;
  std::ofstream out_;
  std::vector<Json> epochs_;
};

}  // namespace vox
