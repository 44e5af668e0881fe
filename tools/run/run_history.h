#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/json.h"

namespace vox {

struct StepPoint {
  double step = 0;
  double loss = 0;
  double gradient_norm = 0;
  double lr = 0;
};

/// What a log.jsonl has said so far, line by line. Of the scores of single cases, "cases" of an epoch, it keeps those
/// of the epoch with the best mean Dice and of the last one that was validated.
class RunHistory {
 public:
  void add(const Json& line);

  [[nodiscard]] const std::vector<Json>& epochs() const { return epochs_; }
  [[nodiscard]] const std::vector<StepPoint>& steps() const { return steps_; }
  [[nodiscard]] const Json& start() const { return start_; }  ///< of the last start; null where none was logged
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  [[nodiscard]] const Json* best() const;       ///< epoch; null where none was validated
  [[nodiscard]] const Json* validated() const;  ///< the last of them

 private:
  void add_epoch(const Json& line);

  std::vector<Json> epochs_;
  std::vector<StepPoint> steps_;
  Json start_;
  std::vector<std::string> notes_;
  double best_dice_ = 0;
  std::ptrdiff_t best_ = -1;  ///< indices into epochs_
  std::ptrdiff_t validated_ = -1;
};

/// Of a whole file; lines that are no JSON object, such as one cut short, are passed over. Throws Error where there is
/// no such file.
[[nodiscard]] RunHistory read_history(const std::filesystem::path& log);

/// A number of an object; NaN where there is none under that key.
[[nodiscard]] double number_in(const Json& object, std::string_view key);
/// The keys of an object; none of anything else, or of nothing.
[[nodiscard]] std::vector<std::string> keys_of(const Json* object);
/// The mean Dice over regions of an "epoch" line or of one of its cases; NaN where it has none.
[[nodiscard]] double mean_dice(const Json& scored);

}  // namespace vox
