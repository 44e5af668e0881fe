#pragma once

#include <cstdint>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/base/denormals.h"

namespace vox {

/// The threads behind run_workers() (kernels/base/parallel.h). Sync is what they are made of: Mutex, Lock, Condition,
/// Atomic<T>, Thread as in the standard library, spin(workers, ready), which returns when it is ready or after a while,
/// and Inside, which lives while a worker works. A test puts its own there, which tries every schedule.
template <class Sync> class WorkerPool {
 public:
  using Task = void (*)(void* context, int worker);

  WorkerPool() = default;
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  WorkerPool(WorkerPool&&) = delete;
  WorkerPool& operator=(WorkerPool&&) = delete;
  ~WorkerPool() {
    {
      const Lock lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
  }

  /// False when another thread is using the pool.
  bool run(int workers, Task task, void* context) {
    const Lock user(in_use_, std::try_to_lock);
    if (!user.owns_lock()) { return false; }
    {
      const Lock lock(mutex_);
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
    Sync::spin(workers, [this] { return left_ == 0; });
    Lock lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
    if (const auto error = std::exchange(error_, nullptr)) { std::rethrow_exception(error); }
    return true;
  }

 private:
  using Lock = typename Sync::Lock;

  void serve(int worker) {
    std::uint64_t seen = 0;
    for (;;) {
      if (seen != 0) {
        Sync::spin(worker + 1, [&] { return stop_ || job_ != seen; });
      }
      Lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || (job_ != seen && worker < workers_); });
      if (stop_) { return; }
      seen = job_;
      const Task task = task_;
      void* const context = context_;
      const FloatMode mode = mode_;
      lock.unlock();
      set_float_mode(mode);  // or the bits of a result would depend on who did which task
      attempt(task, context, worker);
      lock.lock();
      if (--left_ == 0) { done_.notify_one(); }
    }
  }

  void attempt(Task task, void* context, int worker) noexcept {
    std::exception_ptr error;
    {
      const typename Sync::Inside inside;
      try {
        task(context, worker);
      } catch (...) { error = std::current_exception(); }
    }
    if (!error) { return; }
    const Lock lock(mutex_);
    if (!error_) { error_ = std::move(error); }
  }

  typename Sync::Mutex in_use_;
  typename Sync::Mutex mutex_;
  typename Sync::Condition wake_;
  typename Sync::Condition done_;
  Task task_ = nullptr;
  void* context_ = nullptr;
  FloatMode mode_ = 0;
  int workers_ = 0;
  // Written under the mutex, also looked at without it.
  typename Sync::template Atomic<int> left_ = 0;
  typename Sync::template Atomic<std::uint64_t> job_ = 0;
  typename Sync::template Atomic<bool> stop_ = false;
  std::exception_ptr error_;
  std::vector<typename Sync::Thread> threads_;  // last: joined before the rest dies
};

}  // namespace vox
