#include "engine/ranks/rank_sums.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "engine/context.h"
#include "engine/device_memory.h"
#include "engine/dispatch.h"
#include "engine/dry_run.h"
#include "engine/ranks/case_tree.h"
#include "kernels/base/check.h"
#include "kernels/cuda/runtime.h"
#include "kernels/sum_rows.h"

namespace vox {
namespace {

constexpr std::int64_t kBucketBytes = 4 << 20;
constexpr std::int64_t kAligned = 64;  // elements: where a rank's slice of a bucket begins

std::size_t bytes_of(DType dtype, std::int64_t elements) { return static_cast<std::size_t>(elements) * size_of(dtype); }

std::span<std::byte> all_bytes(Tensor& t) {
  std::span<std::byte> bytes;
  dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) { bytes = std::as_writable_bytes(t.mutable_values<T>()); });
  return bytes;
}
std::span<const std::byte> all_bytes(const Tensor& t) {
  std::span<const std::byte> bytes;
  dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) { bytes = std::as_bytes(t.values<T>()); });
  return bytes;
}

void copy(std::span<const std::byte> from, Device from_device, std::span<std::byte> to, Device to_device) {
  copy_bytes(to.data(), to_device, from.data(), from_device, from.size());
}

/// What all ranks have of a batch.
struct Shares {
  std::vector<BatchShare> of_rank;
  std::vector<std::vector<CaseRange>> nodes;

  Shares(std::int64_t whole, int ranks) {
    for (int r = 0; r < ranks; ++r) {
      of_rank.push_back(share_of(whole, r, ranks));
      nodes.push_back(tree_nodes({of_rank.back().first, of_rank.back().count}, whole));
    }
  }
};

}  // namespace

/// Gradients that go together, one after another: a row of `elements` for each of this rank's nodes.
struct RankSums::Bucket {
  struct Part {
    Tensor mine;  ///< where the communicator's buffers are
    Tensor sum;   ///< likewise
    Tensor to;    ///< where the sum is wanted: `sum` itself, or a tensor of the simt device
    std::int64_t elements;
  };

  Bucket(const BatchShare& s, DType d) : share(s), dtype(d) {}
  [[nodiscard]] std::int64_t slice_begin(int rank, int ranks) const {
    const std::int64_t even = (elements + ranks * kAligned - 1) / (ranks * kAligned) * kAligned;
    return std::min(elements, even * rank);
  }

  BatchShare share;
  DType dtype;
  std::vector<Part> parts;
  std::int64_t elements = 0;
  Tensor send;      ///< [ranks][nodes][slice]; of Reduce::fast [elements]
  Tensor received;  ///< [nodes of all ranks][slice]
  Tensor slice;     ///< the sums of this rank's elements
  Tensor gathered;  ///< [elements]
  std::optional<cuda::Event> filled = {};
};

/// The other thread.
class RankSums::Worker {
 public:
  Worker(Communicator& ranks, Reduce reduce, std::string device)
      : ranks_(ranks), reduce_(reduce), device_(std::move(device)), thread_([this] { run(); }) {}
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  Worker(Worker&&) = delete;
  Worker& operator=(Worker&&) = delete;

  void submit(std::unique_ptr<Bucket> bucket) {
    {
      const std::lock_guard lock(mutex_);
      rethrow();
      waiting_.push_back(std::move(bucket));
    }
    changed_.notify_all();
  }
  /// The buckets that were submitted, all done.
  std::vector<std::unique_ptr<Bucket>> finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return (waiting_.empty() && !busy_) || fault_ != nullptr; });
    rethrow();
    return std::exchange(done_, {});
  }
  [[nodiscard]] Traffic traffic() {
    const std::lock_guard lock(mutex_);
    return traffic_;
  }
  /// Makes the calling thread's GPU queue wait for what was submitted to this thread's.
  void hold_back() const {
    if (finished_) { finished_->hold_back(cuda_queue().stream); }
  }

 private:
  void rethrow() const {
    if (fault_ != nullptr) { std::rethrow_exception(fault_); }
  }
  void run() {
    try {
      if (ranks_.memory() == Device::cuda) {
        select_device(device_);
        finished_.emplace();
      }
      cpu_queue().threads = 1;  // the others compute
      for (;;) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !waiting_.empty() || ends_; });
        if (waiting_.empty()) { return; }
        std::unique_ptr<Bucket> bucket = std::move(waiting_.front());
        waiting_.pop_front();
        busy_ = true;
        lock.unlock();
        Traffic sent = reduce_ == Reduce::fast ? reduce(*bucket) : add_in_order(*bucket);
        if (finished_) { finished_->record(cuda_queue().stream); }
        lock.lock();
        busy_ = false;
        traffic_.messages += sent.messages;
        traffic_.bytes += sent.bytes;
        done_.push_back(std::move(bucket));
        lock.unlock();
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      fault_ = std::current_exception();
      busy_ = false;
    }
    changed_.notify_all();
  }

  /// Elements [first, last) of row `row` of the bucket.
  void pack(const Bucket& b, std::int64_t row, std::int64_t first, std::int64_t last, std::span<std::byte>& to) const {
    const Device device = ranks_.memory();
    std::int64_t begin = 0;
    for (const Bucket::Part& p : b.parts) {
      const std::int64_t from = std::max(first, begin);
      const std::int64_t end = std::min(last, begin + p.elements);
      if (from < end) {
        const std::size_t bytes = bytes_of(b.dtype, end - from);
        copy(all_bytes(p.mine).subspan(bytes_of(b.dtype, row * p.elements + from - begin), bytes), device,
             to.first(bytes), device);
        to = to.subspan(bytes);
      }
      begin += p.elements;
    }
  }
  void unpack(Bucket& b, const Tensor& from) const {
    const Device device = ranks_.memory();
    std::size_t at = 0;
    for (Bucket::Part& p : b.parts) {
      const std::size_t bytes = bytes_of(b.dtype, p.elements);
      copy(all_bytes(from).subspan(at, bytes), device, all_bytes(p.sum), device);
      at += bytes;
    }
  }

  Traffic add_in_order(Bucket& b) const {
    const int ranks = ranks_.size();
    const int me = ranks_.rank();
    const Shares shares(b.share.whole, ranks);
    const auto mine = std::ssize(shares.nodes[static_cast<std::size_t>(me)]);
    if (b.filled) { b.filled->hold_back(cuda_queue().stream); }
    std::vector<std::size_t> send_sizes;
    std::vector<std::size_t> received_sizes;
    std::vector<std::size_t> slice_sizes;
    std::vector<CaseRange> rows;
    const std::int64_t slice = b.slice_begin(me + 1, ranks) - b.slice_begin(me, ranks);
    std::span<std::byte> to = all_bytes(b.send);
    for (int r = 0; r < ranks; ++r) {
      const std::int64_t first = b.slice_begin(r, ranks);
      const std::int64_t last = b.slice_begin(r + 1, ranks);
      const auto& nodes = shares.nodes[static_cast<std::size_t>(r)];
      for (std::int64_t row = 0; row < mine; ++row) { pack(b, row, first, last, to); }
      send_sizes.push_back(bytes_of(b.dtype, mine * (last - first)));
      received_sizes.push_back(bytes_of(b.dtype, std::ssize(nodes) * slice));
      slice_sizes.push_back(bytes_of(b.dtype, last - first));
      rows.insert(rows.end(), nodes.begin(), nodes.end());
    }
    ranks_.all_to_all(all_bytes(std::as_const(b.send)), send_sizes, all_bytes(b.received), received_sizes);
    add_rows(b, rows);
    ranks_.all_gather(all_bytes(std::as_const(b.slice)), slice_sizes, all_bytes(b.gathered));
    unpack(b, b.gathered);
    const std::size_t own = send_sizes[static_cast<std::size_t>(me)];
    const std::size_t sent = std::accumulate(send_sizes.begin(), send_sizes.end(), std::size_t{0}) - own;
    return {.messages = 2,
            .bytes = static_cast<std::int64_t>(sent + bytes_of(b.dtype, slice) * static_cast<std::size_t>(ranks - 1))};
  }
  void add_rows(Bucket& b, std::span<const CaseRange> rows) const {
    const std::vector<std::uint8_t> merges = tree_merges(rows, b.share.whole);
    const bool device = ranks_.memory() != Device::cpu;
    dispatch_type(b.dtype, [&]<class T>(TypeTag<T>) {
      const SumRowsArgs<T> args{
          .rows = std::ssize(rows), .x = b.received.values<T>(), .merges = merges, .y = b.slice.mutable_values<T>()};
      if (device) {
        return dispatch_device(ranks_.memory(), [&](auto& queue) { sum_rows(queue, args); });
      }
      CpuIsaQueue<Isa::baseline> queue{1};  // keeps denormal numbers, as the simt device does
      const bool flushes = b.parts.front().to.device() == Device::cpu;
      flushes ? sum_rows(cpu_queue(), args) : sum_rows(queue, args);
    });
  }
  Traffic reduce(Bucket& b) const {
    if (b.filled) { b.filled->hold_back(cuda_queue().stream); }
    std::span<std::byte> to = all_bytes(b.send);
    if (b.share.count > 0) {
      pack(b, 0, 0, b.elements, to);
    } else {
      zero_bytes(to.data(), ranks_.memory(), to.size());
    }
    dispatch_type(b.dtype, [&]<class T>(TypeTag<T>) {
      if constexpr (std::is_same_v<T, Bf16>) {
        VOX_FAIL("a gradient in bf16 is added in f32");
      } else {
        ranks_.all_reduce_fast(b.send.mutable_values<T>());
      }
    });
    unpack(b, b.send);
    const auto ranks = static_cast<std::size_t>(ranks_.size());
    return {.messages = 1, .bytes = static_cast<std::int64_t>(2 * bytes_of(b.dtype, b.elements) * (ranks - 1) / ranks)};
  }

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
  std::thread thread_;
};

RankSums::RankSums(Communicator& now, Communicator& meanwhile, Reduce reduce, std::string device)
    : now_(now), meanwhile_(meanwhile), reduce_(reduce), device_(std::move(device)) {
  VOX_CHECK(now.size() == meanwhile.size() && now.rank() == meanwhile.rank() && now.memory() == meanwhile.memory(),
            "ranks: two communicators of {} and {} ranks", now.size(), meanwhile.size());
}
RankSums::~RankSums() = default;

Tensor RankSums::gather_cases(const Tensor& mine, const BatchShare& share) {
  const std::int64_t row = mine.shape().count() / share.here();
  Tensor all({share.whole * row}, mine.dtype(), mine.device());
  if (DryRun::current() != nullptr) { return all; }
  const int ranks = now_.size();
  std::vector<std::size_t> sizes;
  for (int r = 0; r < ranks; ++r) {
    sizes.push_back(bytes_of(mine.dtype(), share_of(share.whole, r, ranks).count * row));
  }
  const std::span<const std::byte> own = all_bytes(mine).first(sizes[static_cast<std::size_t>(now_.rank())]);
  if (mine.device() == Device::simt) {
    std::vector<std::byte> from(own.size());
    std::vector<std::byte> to(all_bytes(all).size());
    copy(own, Device::simt, from, Device::cpu);
    now_.all_gather(from, sizes, to);
    copy(to, Device::cpu, all_bytes(all), Device::simt);
  } else {
    VOX_CHECK(mine.device() == now_.memory(), "ranks: a tensor on {}, and a communicator for {}", name(mine.device()),
              name(now_.memory()));
    now_.all_gather(own, sizes, all_bytes(all));
  }
  ++sent_now_.messages;
  sent_now_.bytes += static_cast<std::int64_t>(own.size()) * (ranks - 1);
  return all;
}

void RankSums::add(const Tensor& mine, const BatchShare& share, const Tensor& sum) {
  if (filling_ && (filling_->dtype != sum.dtype() || filling_->share != share)) { flush(); }
  if (!filling_) { filling_ = std::make_unique<Bucket>(share, sum.dtype()); }
  Bucket::Part part{.mine = mine, .sum = sum, .to = sum, .elements = sum.shape().count()};
  if (sum.device() == Device::simt) {
    part.mine = mine.defined() ? mine.to(Device::cpu) : Tensor();
    part.sum = Tensor(sum.shape(), sum.dtype());
  }
  filling_->elements += part.elements;
  filling_->parts.push_back(std::move(part));
  if (waits_) { return finish(); }
  if (static_cast<std::int64_t>(bytes_of(filling_->dtype, filling_->elements)) >= kBucketBytes) { flush(); }
}

void RankSums::flush() {
  if (!filling_) { return; }
  Bucket& b = *filling_;
  const int ranks = now_.size();
  const int me = now_.rank();
  const Device device = now_.memory();
  const auto buffer = [&](std::int64_t elements) { return Tensor({elements}, b.dtype, device); };
  if (reduce_ == Reduce::fast) {
    b.send = buffer(b.elements);
  } else {
    const Shares shares(b.share.whole, ranks);
    std::int64_t nodes = 0;
    for (const auto& of : shares.nodes) { nodes += std::ssize(of); }
    const std::int64_t slice = b.slice_begin(me + 1, ranks) - b.slice_begin(me, ranks);
    b.send = buffer(std::ssize(shares.nodes[static_cast<std::size_t>(me)]) * b.elements);
    b.received = buffer(nodes * slice);
    b.slice = buffer(slice);
    b.gathered = buffer(b.elements);
  }
  if (DryRun::current() != nullptr) {
    planned_.push_back(std::move(filling_));
    return;
  }
  if (!worker_) { worker_ = std::make_unique<Worker>(meanwhile_, reduce_, device_); }
  if (device == Device::cuda) { b.filled.emplace().record(cuda_queue().stream); }
  worker_->submit(std::move(filling_));
}

void RankSums::finish() {
  flush();
  planned_.clear();
  if (!worker_ || DryRun::current() != nullptr) { return; }
  const auto done = worker_->finish();
  worker_->hold_back();
  for (const auto& bucket : done) {
    for (const Bucket::Part& p : bucket->parts) {
      if (p.to.device() != p.sum.device()) {
        Tensor to = p.to;
        to.assign(p.sum);
      }
    }
  }
}

RankSums::Traffic RankSums::traffic() const {
  Traffic all = worker_ ? worker_->traffic() : Traffic{};
  all.messages += sent_now_.messages;
  all.bytes += sent_now_.bytes;
  return all;
}

}  // namespace vox
