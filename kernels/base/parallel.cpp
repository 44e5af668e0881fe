#include "kernels/base/parallel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/base/denormals.h"

namespace vox {
namespace {

thread_local bool inside_worker = false;

/// How long a thread looks for what it waits for before it sleeps: loops follow each other within microseconds, and
/// waking a thread takes tens of them.
constexpr auto kPatience = std::chrono::microseconds(100);

std::atomic<int> sleepy = 0;

/// A processor per worker? Otherwise the one that looks would stand in the way of the one it waits for.
bool may_spin(int workers) {
  static const auto processors = static_cast<int>(std::thread::hardware_concurrency());
  return workers <= processors && sleepy == 0;
}

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// Returns when it is ready, or patience has run out.
template <class Ready> void spin(const Ready& ready) {
  constexpr int kLooks = 32;  // between two looks at the clock
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!ready() && std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < kLooks && !ready(); ++i) { relax(); }
  }
}

class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  Pool(Pool&&) = delete;
  Pool& operator=(Pool&&) = delete;
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
  }

  /// False when another thread is using the pool.
  bool run(int workers, void (*task)(void*, int), void* context) {
    const std::unique_lock user(in_use_, std::try_to_lock);
    if (!user.owns_lock()) { return false; }
    {
      const std::lock_guard lock(mutex_);
      while (std::ssize(threads_) < workers - 1) {
        threads_.emplace_back([this, w = static_cast<int>(threads_.size()) + 1] { serve(w); });
      }
      task_ = task;
      context_ = context;
      mode_ = float_mode();
      workers_ = workers;
      left_ = workers - 1;
      ++job_;
    }
    wake_.notify_all();
    attempt(task, context, 0);
    if (may_spin(workers)) {
      spin([this] { return left_ == 0; });
    }
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
    if (const auto error = std::exchange(error_, nullptr)) { std::rethrow_exception(error); }
    return true;
  }

 private:
  void serve(int worker) {
    std::uint64_t seen = 0;
    for (;;) {
      if (seen != 0 && may_spin(worker + 1)) {
        spin([&] { return stop_ || job_ != seen; });
      }
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || (job_ != seen && worker < workers_); });
      if (stop_) { return; }
      seen = job_;
      const auto task = task_;
      void* const context = context_;
      const FloatMode mode = mode_;
      lock.unlock();
      set_float_mode(mode);  // or the bits of a result would depend on who did which task
      attempt(task, context, worker);
      lock.lock();
      if (--left_ == 0) { done_.notify_one(); }
    }
  }

  void attempt(void (*task)(void*, int), void* context, int worker) noexcept {
    inside_worker = true;
    try {
      task(context, worker);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) { error_ = std::current_exception(); }
    }
    inside_worker = false;
  }

  std::mutex in_use_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  void (*task_)(void*, int) = nullptr;
  void* context_ = nullptr;
  FloatMode mode_ = 0;
  int workers_ = 0;
  // Written under the mutex, also looked at without it.
  std::atomic<int> left_ = 0;
  std::atomic<std::uint64_t> job_ = 0;
  std::atomic<bool> stop_ = false;
  std::exception_ptr error_;
  std::vector<std::jthread> threads_;  // last: joined before the rest dies
};

}  // namespace

SleepyWorkers::SleepyWorkers() { ++sleepy; }
SleepyWorkers::~SleepyWorkers() { --sleepy; }

void run_workers(int workers, void (*task)(void*, int), void* context) {
  static Pool pool;
  if (!inside_worker && pool.run(workers, task, context)) { return; }
  for (int w = 0; w < workers; ++w) { task(context, w); }
}

}  // namespace vox
