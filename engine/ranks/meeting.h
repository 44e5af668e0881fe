#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>

#include "engine/ranks/communicator.h"

namespace vox {

/// For the time in which ranks work each on its own, for seconds or hours: a thread of each rank meets those of the
/// others five times a second, on a communicator of its own. So the ranks that are done first wait as long as the last
/// one works; only a rank whose threads do not run at all is missed, by the communicator's time limit. And what one
/// rank asks for is heard by all. Of one rank there is no thread.
class Meeting {
 public:
  explicit Meeting(Communicator&);  ///< collective
  /// Without finish(), because of an exception: the other ranks' meetings end, too, and stopped() is true there.
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;
  Meeting(Meeting&&) = delete;
  Meeting& operator=(Meeting&&) = delete;

  void stop();                                           ///< asks all ranks to leave the rest of their work
  [[nodiscard]] bool stopped() const { return heard_; }  ///< somebody has asked, or has failed
  /// This rank is done: returns when all are, or one has failed. Throws what a meeting has thrown. Collective.
  void finish();

 private:
  enum : std::uint8_t { kStop = 1, kDone = 2, kFailed = 4 };
  void meet();

  std::unique_ptr<Communicator> ranks_;
  std::atomic<std::uint8_t> mine_ = 0;
  std::atomic<bool> heard_ = false;
  std::exception_ptr error_;  // of the thread, read when it has ended
  std::jthread thread_;
};

}  // namespace vox
