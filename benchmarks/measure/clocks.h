#pragma once

#include <time.h>

namespace vox::bench {

/// What a piece of work took: by the clock on the wall, and of the processor by all threads of this process together.
/// The second does not count what other programs took meanwhile.
struct Times {
  double wall_s = 0;
  double processor_s = 0;

  Times& operator+=(const Times& t) {
    wall_s += t.wall_s;
    processor_s += t.processor_s;
    return *this;
  }
  friend Times operator-(const Times& a, const Times& b) {
    return {.wall_s = a.wall_s - b.wall_s, .processor_s = a.processor_s - b.processor_s};
  }
};

[[nodiscard]] inline Times now() {
  const auto seconds = [](clockid_t clock) {
    timespec t{};
    static_cast<void>(clock_gettime(clock, &t));
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  return {.wall_s = seconds(CLOCK_MONOTONIC), .processor_s = seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

template <class Work> [[nodiscard]] Times measured(const Work& work) {
  const Times start = now();
  work();
  return now() - start;
}

}  // namespace vox::bench
