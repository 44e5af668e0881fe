#pragma once

#include <time.h>

#include <algorithm>
#include <limits>

namespace vox::bench {

/// The best of several measurements of one piece of work, by the clock on the wall and by the processor time of all
/// threads of this process. The second does not count what other programs took.
class Stopwatch {
 public:
  template <class Work> void measure(const Work& work) {
    const double wall = seconds(CLOCK_MONOTONIC);
    const double processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
    work();
    processor_s_ = std::min(processor_s_, seconds(CLOCK_PROCESS_CPUTIME_ID) - processor);
    wall_s_ = std::min(wall_s_, seconds(CLOCK_MONOTONIC) - wall);
  }
  [[nodiscard]] double wall_s() const { return wall_s_; }
  [[nodiscard]] double processor_s() const { return processor_s_; }

 private:
  static double seconds(clockid_t clock) {
    timespec t{};
    static_cast<void>(clock_gettime(clock, &t));
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  double wall_s_ = std::numeric_limits<double>::infinity();
  double processor_s_ = std::numeric_limits<double>::infinity();
};

}  // namespace vox::bench
