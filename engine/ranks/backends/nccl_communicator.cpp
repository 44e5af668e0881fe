#include "engine/ranks/backends/nccl_communicator.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/context.h"
#include "engine/ranks/other_rank_failed.h"
#include "kernels/base/check.h"
#include "kernels/cuda/nccl.h"
#include "kernels/cuda/runtime.h"

namespace vox {
namespace {

using mpi::Call;
using mpi::Faults;

nccl::Id shared_id(Communicator& host) {
  nccl::Id id{};
  if (host.rank() == 0) { id = nccl::unique_id(); }
  host.broadcast(id, 0);
  return id;
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::unique_ptr<Communicator> host, std::shared_ptr<Faults> faults, std::uint64_t id)
      : host_(std::move(host)),
        faults_(std::move(faults)),
        id_(id),
        ranks_(shared_id(*host_), host_->rank(), host_->size(), [this] { faults_->throw_if_heard(); }),
        watch_([this](const std::stop_token& stop) { watch(stop); }) {}

  [[nodiscard]] int rank() const override { return host_->rank(); }
  [[nodiscard]] int size() const override { return host_->size(); }
  [[nodiscard]] std::string name() const override { return "NCCL " + nccl::version(); }
  [[nodiscard]] Device memory() const override { return Device::cuda; }
  /// Kernels of two communicators that wait for each other's multiprocessors in different orders would wait for ever.
  [[nodiscard]] bool one_order() const override { return true; }
  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                  std::span<std::byte> all) override {
    submit("all-gather", all.size(), [&](CUstream_st* s) { ranks_.all_gather(mine, sizes, all, s); });
  }
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                  std::span<std::byte> received, std::span<const std::size_t> received_sizes) override {
    submit("all-to-all", send.size(),
           [&](CUstream_st* s) { ranks_.all_to_all(send, send_sizes, received, received_sizes, s); });
  }
  void all_reduce_fast(std::span<float> values) override {
    submit("all-reduce", values.size_bytes(), [&](CUstream_st* s) { ranks_.all_reduce(values, s); });
  }
  void all_reduce_fast(std::span<double> values) override {
    submit("all-reduce", values.size_bytes(), [&](CUstream_st* s) { ranks_.all_reduce(values, s); });
  }
  void broadcast(std::span<std::byte> bytes, int root) override {
    submit("broadcast", bytes.size(), [&](CUstream_st* s) { ranks_.broadcast(bytes, root, s); });
  }
  void barrier() override {
    throw_what_was_found();
    cuda::wait(cuda_queue().stream);
    host_->barrier();
  }
  [[nodiscard]] std::unique_ptr<Communicator> duplicate() override { return host_->for_device(Device::cuda); }
  [[nodiscard]] std::unique_ptr<Communicator> for_device(Device device) override { return host_->for_device(device); }

 private:
  struct UnderWay {
    Call call;
    Faults::Clock::time_point since;
    std::unique_ptr<cuda::Event> done;
  };

  template <class Submit> void submit(const char* name, std::size_t bytes, const Submit& to_stream) {
    throw_what_was_found();
    const Call call = faults_->begin(name, bytes, id_);
    CUstream_st* const stream = cuda_queue().stream;
    to_stream(stream);
    auto done = std::make_unique<cuda::Event>();
    done->record(stream);
    const std::lock_guard lock(mutex_);
    under_way_.push_back({call, Faults::Clock::now(), std::move(done)});
  }

  void throw_what_was_found() {
    const std::lock_guard lock(mutex_);
    if (found_) { std::rethrow_exception(found_); }
  }

  void watch(const std::stop_token& stop) {
    constexpr auto kEvery = std::chrono::milliseconds(5);
    try {
      for (std::unique_lock lock(mutex_); !wake_.wait_for(lock, stop, kEvery, [] { return false; });) {
        if (stop.stop_requested()) { return; }
        while (!under_way_.empty() && under_way_.front().done->reached()) { under_way_.pop_front(); }
        const bool waits = !under_way_.empty();
        const Call call = waits ? under_way_.front().call : Call{};
        const auto since = waits ? under_way_.front().since : Faults::Clock::time_point{};
        lock.unlock();
        faults_->throw_if_heard();
        const std::string failure = ranks_.failure();
        if (!failure.empty()) { fail<RankLost>(__FILE__, __LINE__, failure); }
        if (waits) { faults_->throw_if_too_late(call, since); }
        lock.lock();
      }
    } catch (...) {
      ranks_.abort();
      const std::lock_guard lock(mutex_);
      found_ = std::current_exception();
    }
  }

  std::unique_ptr<Communicator> host_;
  std::shared_ptr<Faults> faults_;
  std::uint64_t id_;
  nccl::Ranks ranks_;
  std::mutex mutex_;  ///< of what follows
  std::condition_variable_any wake_;
  std::deque<UnderWay> under_way_;
  std::exception_ptr found_;
  std::jthread watch_;  ///< last: it uses all the others
};

}  // namespace

std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator> host, std::shared_ptr<Faults> faults,
                                                std::uint64_t id) {
  return std::make_unique<NcclCommunicator>(std::move(host), std::move(faults), id);
}

}  // namespace vox
