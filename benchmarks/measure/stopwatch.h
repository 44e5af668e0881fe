#pragma once

#include <time.h>

#include <algorithm>
#include <vector>

namespace vox::bench {

/// Several measurements of one piece of work: the best by the clock on the wall, and the median by the processor time
/// of all threads of this process. The second does not count what other programs took; its best would be a thread whose
/// last milliseconds had not been booked yet.
class Stopwatch {
 public:
  template <class Work> void measure(const Work& work) {
    const double wall = seconds(CLOCK_MONOTONIC);
    const double processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
    work();
    processor_s_.push_back(seconds(CLOCK_PROCESS_CPUTIME_ID) - processor);
    wall_s_.push_back(seconds(CLOCK_MONOTONIC) - wall);
  }
  [[nodiscard]] double wall_s() const { return *std::min_element(wall_s_.begin(), wall_s_.end()); }
  [[nodiscard]] double processor_s() const {
    std::vector<double> sorted = processor_s_;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }

 private:
  static double seconds(clockid_t clock) {
    timespec t{};
    static_cast<void>(clock_gettime(clock, &t));
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  std::vector<double> wall_s_;
  std::vector<double> processor_s_;
};

}  // namespace vox::bench
