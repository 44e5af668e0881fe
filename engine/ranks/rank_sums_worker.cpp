#include "engine/ranks/rank_sums_worker.h"

#include <algorithm>
#include <numeric>
#include <type_traits>
#include <utility>

#include "engine/context.h"
#include "engine/dispatch.h"
#include "kernels/base/check.h"
#include "kernels/sum_rows.h"

namespace vox {

namespace {

/// While one lives, what the calling thread submits to its GPU goes to another stream.
class OtherStream {
 public:
  explicit OtherStream(const cuda::Stream& stream) : before_(std::exchange(cuda_queue().stream, stream.handle())) {}
  ~OtherStream() { cuda_queue().stream = before_; }
  OtherStream(const OtherStream&) = delete;
  OtherStream& operator=(const OtherStream&) = delete;
  OtherStream(OtherStream&&) = delete;
  OtherStream& operator=(OtherStream&&) = delete;

 private:
  CUstream_st* before_;
};

}  // namespace

RankSums::Worker::Worker(Communicator& ranks, Reduce reduce, std::string device)
    : ranks_(ranks), reduce_(reduce), device_(std::move(device)) {
  if (ranks.one_order()) {
    stream_.emplace();
    finished_.emplace();
  } else {
    thread_ = std::thread([this] { run(); });
  }
}

RankSums::Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) { thread_.join(); }
}

void RankSums::Worker::submit(std::unique_ptr<Bucket> bucket) {
  if (stream_) {
    const OtherStream other(*stream_);
    const Traffic sent = exchange(*bucket);
    finished_->record(cuda_queue().stream);
    traffic_.messages += sent.messages;
    traffic_.bytes += sent.bytes;
    done_.push_back(std::move(bucket));
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    rethrow();
    waiting_.push_back(std::move(bucket));
  }
  changed_.notify_all();
}

std::vector<std::unique_ptr<RankSums::Bucket>> RankSums::Worker::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return (waiting_.empty() && !busy_) || fault_ != nullptr; });
  rethrow();
  return std::exchange(done_, {});
}

RankSums::Traffic RankSums::Worker::traffic() {
  const std::lock_guard lock(mutex_);
  return traffic_;
}

void RankSums::Worker::hold_back() const {
  if (finished_) { finished_->hold_back(cuda_queue().stream); }
}

void RankSums::Worker::rethrow() const {
  if (fault_ != nullptr) { std::rethrow_exception(fault_); }
}

void RankSums::Worker::run() {
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
      const Traffic sent = exchange(*bucket);
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

RankSums::Traffic RankSums::Worker::exchange(Bucket& bucket) const {
  return reduce_ == Reduce::fast ? add_fast(bucket) : add_in_order(bucket);
}

void RankSums::Worker::pack(const Bucket& b, std::int64_t row, std::int64_t first, std::int64_t last,
                            std::span<std::byte>& to) const {
  const Device device = ranks_.memory();
  std::int64_t begin = 0;
  for (const Bucket::Part& p : b.parts) {
    const std::int64_t from = std::max(first, begin);
    const std::int64_t end = std::min(last, begin + p.elements);
    if (from < end) {
      const std::size_t bytes = bytes_of(b.dtype, end - from);
      copy_span(all_bytes(p.mine).subspan(bytes_of(b.dtype, row * p.elements + from - begin), bytes), device,
                to.first(bytes), device);
      to = to.subspan(bytes);
    }
    begin += p.elements;
  }
}

void RankSums::Worker::unpack(Bucket& b) const {
  if (b.parts.size() == 1) { return; }
  const Device device = ranks_.memory();
  std::size_t at = 0;
  for (Bucket::Part& p : b.parts) {
    const std::size_t bytes = bytes_of(b.dtype, p.elements);
    copy_span(all_bytes(std::as_const(b.gathered)).subspan(at, bytes), device, all_bytes(p.sum), device);
    at += bytes;
  }
}

RankSums::Traffic RankSums::Worker::add_in_order(Bucket& b) const {
  const int ranks = ranks_.size();
  const int me = ranks_.rank();
  const RankShares shares(b.share.whole, ranks);
  const auto mine = std::ssize(shares.nodes[static_cast<std::size_t>(me)]);
  if (b.filled) { b.filled->hold_back(cuda_queue().stream); }
  std::vector<std::size_t> send_sizes;
  std::vector<std::size_t> received_sizes;
  std::vector<std::size_t> slice_sizes;
  std::vector<CaseRange> rows;
  const std::int64_t slice = b.slice_begin(me + 1, ranks) - b.slice_begin(me, ranks);
  const bool packed = b.parts.size() > 1 || mine != 1;
  std::span<std::byte> to;
  if (packed) { to = all_bytes(b.send); }
  for (int r = 0; r < ranks; ++r) {
    const std::int64_t first = b.slice_begin(r, ranks);
    const std::int64_t last = b.slice_begin(r + 1, ranks);
    const auto& nodes = shares.nodes[static_cast<std::size_t>(r)];
    for (std::int64_t row = 0; packed && row < mine; ++row) { pack(b, row, first, last, to); }
    send_sizes.push_back(bytes_of(b.dtype, mine * (last - first)));
    received_sizes.push_back(bytes_of(b.dtype, std::ssize(nodes) * slice));
    slice_sizes.push_back(bytes_of(b.dtype, last - first));
    rows.insert(rows.end(), nodes.begin(), nodes.end());
  }
  ranks_.all_to_all(all_bytes(std::as_const(b.send)), send_sizes, all_bytes(b.received), received_sizes);
  add_rows(b, rows, ranks_.memory());
  ranks_.all_gather(all_bytes(std::as_const(b.slice)), slice_sizes, all_bytes(b.gathered));
  unpack(b);
  const std::size_t own = send_sizes[static_cast<std::size_t>(me)];
  const std::size_t sent = std::accumulate(send_sizes.begin(), send_sizes.end(), std::size_t{0}) - own;
  return {.messages = 2,
          .bytes = static_cast<std::int64_t>(sent + bytes_of(b.dtype, slice) * static_cast<std::size_t>(ranks - 1))};
}

void RankSums::Worker::add_rows(Bucket& b, std::span<const CaseRange> rows, Device device) {
  const std::vector<std::uint8_t> merges = tree_merges(rows, b.share.whole);
  dispatch_type(b.dtype, [&]<class T>(TypeTag<T>) {
    const SumRowsArgs<T> args{
        .rows = std::ssize(rows), .x = b.received.values<T>(), .merges = merges, .y = b.slice.mutable_values<T>()};
    if (device != Device::cpu) {
      return dispatch_device(device, [&](auto& queue) { sum_rows(queue, args); });
    }
    CpuIsaQueue<Isa::baseline> queue{1};  // keeps denormal numbers, as the simt device does
    const bool flushes = b.parts.front().to.device() == Device::cpu;
    flushes ? sum_rows(cpu_queue(), args) : sum_rows(queue, args);
  });
}

RankSums::Traffic RankSums::Worker::add_fast(Bucket& b) const {
  if (b.filled) { b.filled->hold_back(cuda_queue().stream); }
  std::span<std::byte> to = all_bytes(b.gathered);
  if (b.share.count > 0) {
    pack(b, 0, 0, b.elements, to);
  } else {
    zero_bytes(to.data(), ranks_.memory(), to.size());
  }
  dispatch_type(b.dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (std::is_same_v<T, Bf16>) {
      VOX_FAIL("a gradient in bf16 is added in f32");
    } else {
      ranks_.all_reduce_fast(b.gathered.mutable_values<T>());
    }
  });
  unpack(b);
  const auto ranks = static_cast<std::size_t>(ranks_.size());
  return {.messages = 1, .bytes = static_cast<std::int64_t>(2 * bytes_of(b.dtype, b.elements) * (ranks - 1) / ranks)};
}

}  // namespace vox
