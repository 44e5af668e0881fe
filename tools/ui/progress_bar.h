#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace vox {

struct ProgressState {
  std::string label;  ///< "prepare", "epoch 3/50"
  std::string unit;   ///< of the rate, in the singular: "case"
  std::int64_t done = 0;
  std::int64_t total = 0;
  std::int64_t at_start = 0;  ///< done before this run: counts for the bar, not for the rate
  double elapsed_s = 0;
  std::string text;  ///< what else is worth knowing: "loss 0.31"
};

/// "epoch 3/50 [######------]  50 %  8/16  2.1 case/s  0:04 left  loss 0.31", at most `columns` wide: the bar gives
/// way first, then the end of the line.
[[nodiscard]] std::string progress_line(const ProgressState&, std::size_t columns);

/// Progress on stderr. On a terminal one line is redrawn, ten times a second at most; elsewhere a plain line comes
/// every ten seconds and one at the end. May be updated from several threads. Of several ranks the first one's is
/// drawn.
class ProgressBar {
 public:
  ProgressBar(std::string label, std::int64_t total, std::string unit, std::int64_t already_done = 0);
  ~ProgressBar();  ///< finishes
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(std::int64_t done, std::string_view text = {});
  void finish();  ///< draws the last state and ends the line; called once or by the destructor

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  std::mutex mutex_;
  ProgressState state_;
  Clock::time_point start_;
  Clock::time_point drawn_;
  bool terminal_;
  bool finished_ = false;
};

}  // namespace vox
