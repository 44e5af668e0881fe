#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

// Every schedule of a piece of code that is written against threads, mutexes and condition variables given as a
// parameter: a model checker without state, as CHESS (Musuvathi and Qadeer, PLDI 2007). Threads are fibers of one
// thread; before each operation on something shared any of them may go on. Memory is sequentially consistent here:
// weaker orders are ThreadSanitizer's part. No spurious wake-ups.
namespace vox::test::model {

struct Explored {
  std::int64_t schedules = 0;
  std::int64_t longest = 0;  ///< points at which a thread could be chosen
  std::string failure;       ///< empty, or what went wrong in the schedule that was last
};

/// Runs scenario() in all schedules with at most so many preemptions, that is switches away from a thread that could
/// have gone on; switches at which a thread waits or ends are free. Ends with the first failure: a deadlock, or what
/// fail() says.
[[nodiscard]] Explored explore(int preemptions, const std::function<void()>& scenario);

void fail(const std::string& what);  ///< from inside a scenario; returns, the schedule goes on
/// A point at which another thread may go on; returns when ready() and this thread is chosen.
void wait_until(const std::function<bool()>& ready);
inline void point() {
  wait_until([] { return true; });
}

class Mutex {
 public:
  void lock() {
    wait_until([this] { return !held_; });
    held_ = true;
  }
  bool try_lock() {
    point();
    return held_ ? false : (held_ = true);
  }
  void unlock() { held_ = false; }

 private:
  bool held_ = false;
};

class Condition {
 public:
  template <class Ready> void wait(std::unique_lock<Mutex>& lock, const Ready& ready) {
    while (!ready()) {
      point();  // who signals without the lock may do so here, and is not heard
      const auto woken = std::make_shared<bool>(false);
      waiting_.push_back(woken);
      lock.unlock();
      wait_until([woken] { return *woken; });
      lock.lock();
    }
  }
  void notify_one() {
    if (waiting_.empty()) { return; }
    *waiting_.front() = true;
    waiting_.erase(waiting_.begin());
  }
  void notify_all() {
    for (const auto& w : waiting_) { *w = true; }
    waiting_.clear();
  }

 private:
  std::vector<std::shared_ptr<bool>> waiting_;
};

template <class T> class Atomic {
 public:
  Atomic(T value) : value_(value) {}  // NOLINT: as std::atomic
  operator T() const {                // NOLINT
    point();
    return value_;
  }
  T operator=(T value) {  // NOLINT
    point();
    return value_ = value;
  }
  T operator++() {
    point();
    return ++value_;
  }
  T operator--() {
    point();
    return --value_;
  }

 private:
  T value_;
};

/// As std::jthread: joined when it dies.
class Thread {
 public:
  explicit Thread(std::function<void()> body);
  ~Thread();
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&&) = delete;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

 private:
  int fiber_;
};

}  // namespace vox::test::model
