#pragma once

#include <memory>
#include <vector>

#include "benchmarks/measure/clocks.h"
#include "engine/types.h"

namespace vox::bench {

void wait_for(Device);  ///< until all submitted work is done

/// Points in time of work that is submitted to a device: on a GPU by its own events, which the work passes without
/// anybody waiting for it; elsewhere by the clocks, where work is done when its call returns.
class DeviceClock {
 public:
  explicit DeviceClock(Device);
  ~DeviceClock();
  DeviceClock(const DeviceClock&) = delete;
  DeviceClock& operator=(const DeviceClock&) = delete;

  void restart();  ///< forgets all points
  void mark();
  /// From each point to the next. Waits for the last. On a GPU wall_s is the GPU's time and processor_s what the
  /// threads of this process took to submit the work.
  [[nodiscard]] std::vector<Times> between();

 private:
  struct Events;
  std::vector<Times> marks_;
  std::unique_ptr<Events> events_;
};

/// What work takes. On a GPU from when the stream comes to it, so it should have something to do before: then the time
/// that submitting takes is not in it.
template <class Work> [[nodiscard]] Times measured_on(DeviceClock& clock, const Work& work) {
  clock.restart();
  clock.mark();
  work();
  clock.mark();
  return clock.between().front();
}

}  // namespace vox::bench
