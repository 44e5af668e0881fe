#include "benchmarks/measure/device_clock.h"

#include <deque>

#include "engine/context.h"
#include "kernels/cuda/runtime.h"

namespace vox::bench {

/// One for each point there has been since the clock was made: they are used again.
struct DeviceClock::Events {
  std::deque<cuda::Event> all;
};

void wait_for(Device device) {
  if (device == Device::cuda) { cuda::wait(cuda_queue().stream); }
}

DeviceClock::DeviceClock(Device device) : events_(device == Device::cuda ? std::make_unique<Events>() : nullptr) {}
DeviceClock::~DeviceClock() = default;

void DeviceClock::restart() { marks_.clear(); }

void DeviceClock::mark() {
  if (events_ != nullptr) {
    if (events_->all.size() == marks_.size()) { events_->all.emplace_back(); }
    events_->all[marks_.size()].record(cuda_queue().stream);
  }
  marks_.push_back(now());
}

std::vector<Times> DeviceClock::between() {
  if (events_ != nullptr && !marks_.empty()) { events_->all[marks_.size() - 1].wait(); }
  std::vector<Times> spans;
  for (std::size_t i = 1; i < marks_.size(); ++i) {
    spans.push_back(marks_[i] - marks_[i - 1]);
    if (events_ != nullptr) {
      spans.back().wall_s = 1e-3 * static_cast<double>(events_->all[i].milliseconds_since(events_->all[i - 1]));
    }
  }
  return spans;
}

}  // namespace vox::bench
