#include "engine/ranks/meeting.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <vector>

namespace vox {

Meeting::Meeting(Communicator& ranks) {
  if (ranks.size() == 1) { return; }
  ranks_ = ranks.duplicate();
  thread_ = std::jthread([this] { meet(); });
}

Meeting::~Meeting() {
  if (thread_.joinable()) { mine_ |= kFailed; }
}

void Meeting::stop() {
  mine_ |= kStop;
  heard_ = true;
}

void Meeting::finish() {
  if (!thread_.joinable()) { return; }
  mine_ |= kDone;
  thread_.join();
  if (error_) { std::rethrow_exception(error_); }
}

void Meeting::meet() {
  constexpr auto kEvery = std::chrono::milliseconds(200);
  constexpr auto kSoon = std::chrono::milliseconds(2);
  const auto n = static_cast<std::size_t>(ranks_->size());
  const std::vector<std::size_t> sizes(n, 1);
  std::vector<std::uint8_t> all(n);
  try {
    for (;;) {
      const std::uint8_t mine = mine_;
      ranks_->all_gather(std::as_bytes(std::span(&mine, 1)), sizes, std::as_writable_bytes(std::span(all)));
      const auto some = [&](std::uint8_t what) {
        return std::ranges::any_of(all, [&](std::uint8_t state) { return (state & what) != 0; });
      };
      if (some(kStop | kFailed)) { heard_ = true; }
      if (some(kFailed) || std::ranges::all_of(all, [](std::uint8_t state) { return (state & kDone) != 0; })) {
        return;
      }
      // Who is done waits in the next meeting, for the last one's word; who is not comes to it when there is news.
      const auto next = std::chrono::steady_clock::now() + kEvery;
      while ((mine_ & kDone) == 0 && mine_ == mine && std::chrono::steady_clock::now() < next) {
        std::this_thread::sleep_for(kSoon);
      }
    }
  } catch (...) {
    error_ = std::current_exception();
    heard_ = true;
  }
}

}  // namespace vox
