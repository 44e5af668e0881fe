#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/ranks/gradient_bucket.h"

namespace vox {

/// Exchanges buckets while the backward pass goes on, one after another: by a thread of its own, or, where calls must
/// come in one order (NCCL), by a stream of its own that the calling thread submits to.
class RankSums::Worker {
 public:
  /// device: as select_device() has it, where the communicator's buffers are on a GPU.
  Worker(Communicator&, Reduce, std::string device);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  Worker(Worker&&) = delete;
  Worker& operator=(Worker&&) = delete;

  void submit(std::unique_ptr<Bucket>);
  /// The buckets that were submitted, all done. Throws what kept one from it.
  [[nodiscard]] std::vector<std::unique_ptr<Bucket>> finish();
  [[nodiscard]] Traffic traffic();
  /// Makes the calling thread's GPU queue wait for what was submitted to this thread's.
  void hold_back() const;

 private:
  void rethrow() const;
  void run();
  [[nodiscard]] Traffic exchange(Bucket&) const;
  /// Elements [first, last) of row `row` of the bucket; `to` begins behind them then.
  void pack(const Bucket&, std::int64_t row, std::int64_t first, std::int64_t last, std::span<std::byte>& to) const;
  void unpack(Bucket&) const;
  [[nodiscard]] Traffic add_in_order(Bucket&) const;
  static void add_rows(Bucket&, std::span<const CaseRange> rows, Device);
  [[nodiscard]] Traffic add_fast(Bucket&) const;

  Communicator& ranks_;
  Reduce reduce_;
  std::string device_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Bucket>> waiting_;
  std::vector<std::unique_ptr<Bucket>> done_;
  std::optional<cuda::Event> finished_;
  std::exception_ptr fault_;
  Traffic traffic_;
  bool busy_ = false;
  bool ends_ = false;
  std::optional<cuda::Stream> stream_;
  std::thread thread_;
};

}  // namespace vox
