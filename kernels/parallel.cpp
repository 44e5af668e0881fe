#include "kernels/parallel.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace vox {
namespace {

thread_local bool inside_worker = false;

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
      workers_ = workers;
      left_ = workers - 1;
      ++job_;
    }
    wake_.notify_all();
    attempt(task, context, 0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
    if (const auto error = std::exchange(error_, nullptr)) { std::rethrow_exception(error); }
    return true;
  }

 private:
  void serve(int worker) {
    std::uint64_t seen = 0;
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || (job_ != seen && worker < workers_); });
      if (stop_) { return; }
      seen = job_;
      const auto task = task_;
      void* const context = context_;
      lock.unlock();
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
  int workers_ = 0;
  int left_ = 0;
  std::uint64_t job_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
  std::vector<std::jthread> threads_;  // last: joined before the rest dies
};

}  // namespace

void run_workers(int workers, void (*task)(void*, int), void* context) {
  static Pool pool;
  if (!inside_worker && pool.run(workers, task, context)) { return; }
  for (int w = 0; w < workers; ++w) { task(context, w); }
}

}  // namespace vox
