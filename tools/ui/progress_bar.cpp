#include "tools/ui/progress_bar.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/ranks/world.h"

namespace vox {
namespace {

constexpr std::size_t kNarrowestBar = 8;
constexpr std::size_t kWidestBar = 40;
constexpr std::size_t kPlainColumns = 160;  // where there is no terminal: a log file
constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kPlainLine{10};

std::size_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string duration(double seconds) {
  const auto s = std::llround(seconds);
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

}  // namespace

std::string progress_line(const ProgressState& s, std::size_t columns) {
  const double part =
      s.total > 0 ? std::clamp(static_cast<double>(s.done) / static_cast<double>(s.total), 0.0, 1.0) : 1;
  std::string numbers = fmt::format("{:3.0f} %  {}/{}", 100 * part, s.done, s.total);
  const auto now_done = static_cast<double>(s.done - s.at_start);
  if (now_done > 0 && s.elapsed_s > 0) {
    const double rate = now_done / s.elapsed_s;
    numbers += rate >= 1 ? fmt::format("  {:.1f} {}/s", rate, s.unit) : fmt::format("  {:.1f} s/{}", 1 / rate, s.unit);
    numbers += s.done < s.total ? fmt::format("  {} left", duration(static_cast<double>(s.total - s.done) / rate))
                                : fmt::format("  in {}", duration(s.elapsed_s));
  }
  if (!s.text.empty()) { numbers += fmt::format("  {}", s.text); }
  const std::size_t taken = s.label.size() + numbers.size() + 4;  // two spaces and two brackets
  std::string line = s.label + " ";
  if (columns >= taken + kNarrowestBar) {
    const std::size_t width = std::min(columns - taken, kWidestBar);
    const auto full = static_cast<std::size_t>(part * static_cast<double>(width));
    line += fmt::format("[{}{}] ", std::string(full, '#'), std::string(width - full, '-'));
  }
  return (line + numbers).substr(0, columns);
}

ProgressBar::ProgressBar(std::string label, std::int64_t total, std::string unit, std::int64_t already_done)
    : state_{.label = std::move(label),
             .unit = std::move(unit),
             .done = already_done,
             .total = total,
             .at_start = already_done,
             .elapsed_s = 0,
             .text = {}},
      start_(Clock::now()),
      drawn_(start_),
      terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::update(std::int64_t done, std::string_view text) {
  const std::lock_guard lock(mutex_);
  state_.done = done;
  state_.text = text;
  const auto now = Clock::now();
  if (terminal_ ? now - drawn_ >= kRedraw : now - drawn_ >= kPlainLine) { draw(now); }
}

void ProgressBar::finish() {
  const std::lock_guard lock(mutex_);
  if (finished_) { return; }
  finished_ = true;
  draw(Clock::now());
  if (terminal_ && is_first_rank()) { static_cast<void>(std::fputc('\n', stderr)); }
}

void ProgressBar::draw(Clock::time_point now) {
  if (!is_first_rank()) { return; }
  drawn_ = now;
  state_.elapsed_s = std::chrono::duration<double>(now - start_).count();
  // One write per frame, and the rest of the line cleared after it: nothing flickers.
  const std::string frame = terminal_ ? fmt::format("\r{}\033[K", progress_line(state_, terminal_columns() - 1))
                                      : fmt::format("{}\n", progress_line(state_, kPlainColumns));
  static_cast<void>(std::fwrite(frame.data(), 1, frame.size(), stderr));
  static_cast<void>(std::fflush(stderr));
}

}  // namespace vox
