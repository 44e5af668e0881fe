#include "kernels/simt/recording.h"

#include <atomic>
#include <utility>

#include "kernels/base/check.h"
#include "kernels/simt/memory.h"

namespace vox::simt_device {
namespace {

thread_local Recording* under_way = nullptr;
thread_local bool doing_recorded_work = false;

}  // namespace

Recording::~Recording() {
  if (under_way == this) { under_way = nullptr; }
}

void Recording::begin() {
  VOX_CHECK(under_way == nullptr, "simt: a recording begins while another one is under way on this thread");
  work_.clear();
  refused_.clear();
  under_way = this;
}

void Recording::end() {
  VOX_CHECK(under_way == this, "simt: a recording ends that has not begun on this thread");
  under_way = nullptr;
  if (!refused_.empty()) {
    work_.clear();
    VOX_FAIL("{}", refused_);
  }
}

void Recording::abandon() noexcept {
  if (under_way == this) { under_way = nullptr; }
  work_.clear();
}

void Recording::refuse(std::string why) {
  if (refused_.empty()) { refused_ = std::move(why); }
}

void Recording::replay() const {
  refuse_while_recording("the replay of a recording");
  count_replay();
  doing_recorded_work = true;
  try {
    for (const auto& work : work_) { work(); }
  } catch (...) {
    doing_recorded_work = false;
    throw;
  }
  doing_recorded_work = false;
}

Recording* recording() noexcept { return under_way; }
bool replaying() noexcept { return doing_recorded_work; }

void refuse_while_recording(const char* what) {
  VOX_CHECK(under_way == nullptr, "simt: {} while work is recorded, which CUDA refuses", what);
}

}  // namespace vox::simt_device
