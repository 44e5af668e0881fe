#include "tests/support/thread_ranks.h"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <numeric>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/ranks/other_rank_failed.h"
#include "kernels/base/check.h"

namespace vox::test {
namespace {

/// What all communicators of one run_ranks() share.
struct Job {
  std::mutex mutex;
  std::condition_variable changed;
  bool failed = false;
  int ended = 0;  ///< ranks whose body has returned
};

/// What a rank brings to a call: the others read it between the two meetings of the call.
struct Given {
  std::string_view call;
  int root = 0;
  std::span<const std::byte> bytes;
  std::span<const std::size_t> sizes;
};

/// One communicator, seen by all its ranks.
struct Group {
  Group(Job& of, int size) : job(of), given(static_cast<std::size_t>(size)) {}
  Job& job;
  std::vector<Given> given;
  std::size_t arrived = 0;
  std::size_t meetings = 0;          ///< that have taken place
  std::shared_ptr<Group> duplicate;  ///< made by rank 0 in duplicate()

  /// The number of the meeting that this rank has come to; it has taken place when `meetings` is another.
  std::size_t arrive() {
    const std::size_t meeting = meetings;
    if (++arrived == given.size()) {
      arrived = 0;
      ++meetings;
      job.changed.notify_all();
    }
    return meeting;
  }
  void meet(std::string_view call) {
    std::unique_lock lock(job.mutex);
    const std::size_t meeting = arrive();
    job.changed.wait(lock, [&] { return meetings != meeting || job.failed || job.ended > 0; });
    if (meetings != meeting) { return; }
    if (job.failed) { fail<OtherRankFailed>(__FILE__, __LINE__, "another rank failed"); }
    VOX_FAIL("{}: a rank ended without coming to it", call);
  }
  /// Of ranks that have met before: all come, whatever has happened meanwhile.
  void meet_again() {
    std::unique_lock lock(job.mutex);
    const std::size_t meeting = arrive();
    job.changed.wait(lock, [&] { return meetings != meeting; });
  }
};

std::span<const std::byte> piece(std::span<const std::byte> bytes, std::span<const std::size_t> sizes, std::size_t r) {
  return bytes.subspan(std::accumulate(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(r), std::size_t{0}),
                       sizes[r]);
}

std::size_t sum(std::span<const std::size_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
}

class ThreadRank final : public Communicator {
 public:
  ThreadRank(std::shared_ptr<Group> group, int rank) : group_(std::move(group)), rank_(rank) {}
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return static_cast<int>(group_->given.size()); }
  [[nodiscard]] std::string name() const override { return "threads"; }
  [[nodiscard]] Device memory() const override { return Device::cpu; }

  void all_gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                  std::span<std::byte> all) override {
    VOX_CHECK(sizes.size() == ranks() && mine.size() == sizes[self()] && all.size() == sum(sizes),
              "all_gather: sizes do not fit the buffers");
    exchange({"all_gather", 0, mine, sizes}, [&] {
      std::byte* to = all.data();
      for (const Given& from : group_->given) {
        VOX_CHECK(std::ranges::equal(from.sizes, sizes), "all_gather: ranks differ in the sizes");
        to = std::ranges::copy(from.bytes, to).out;
      }
    });
  }
  void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_sizes,
                  std::span<std::byte> received, std::span<const std::size_t> received_sizes) override {
    VOX_CHECK(send_sizes.size() == ranks() && received_sizes.size() == ranks() && send.size() == sum(send_sizes) &&
                  received.size() == sum(received_sizes),
              "all_to_all: sizes do not fit the buffers");
    exchange({"all_to_all", 0, send, send_sizes}, [&] {
      std::byte* to = received.data();
      for (std::size_t r = 0; r < ranks(); ++r) {
        const Given& from = group_->given[r];
        VOX_CHECK(from.sizes[self()] == received_sizes[r], "all_to_all: rank {} sends {} bytes, wanted are {}", r,
                  from.sizes[self()], received_sizes[r]);
        to = std::ranges::copy(piece(from.bytes, from.sizes, self()), to).out;
      }
    });
  }
  void all_reduce_fast(std::span<float> values) override { reduce(values); }
  void all_reduce_fast(std::span<double> values) override { reduce(values); }
  void broadcast(std::span<std::byte> bytes, int root) override {
    VOX_CHECK(root >= 0 && root < size(), "broadcast: no rank {}", root);
    exchange({"broadcast", root, bytes, {}}, [&] {
      for (const Given& other : group_->given) {
        VOX_CHECK(other.root == root && other.bytes.size() == bytes.size(), "broadcast: ranks differ in root or size");
      }
      if (rank_ != root) { std::ranges::copy(group_->given[static_cast<std::size_t>(root)].bytes, bytes.begin()); }
    });
  }
  void barrier() override {
    exchange({"barrier", 0, {}, {}}, [] {});
  }
  [[nodiscard]] std::unique_ptr<Communicator> duplicate() override {
    std::shared_ptr<Group> other;
    if (rank_ == 0) { group_->duplicate = std::make_shared<Group>(group_->job, size()); }
    exchange({"duplicate", 0, {}, {}}, [&] { other = group_->duplicate; });
    return std::make_unique<ThreadRank>(std::move(other), rank_);
  }

 private:
  [[nodiscard]] std::size_t self() const { return static_cast<std::size_t>(rank_); }
  [[nodiscard]] std::size_t ranks() const { return group_->given.size(); }

  /// take() reads what all have given, while nobody changes it or leaves, be it by an exception.
  template <class Take> void exchange(const Given& mine, const Take& take) {
    group_->given[self()] = mine;
    group_->meet(mine.call);
    std::exception_ptr fault;
    try {
      for (const Given& other : group_->given) {
        VOX_CHECK(other.call == mine.call, "one rank calls {}, another {}", mine.call, other.call);
      }
      take();
    } catch (...) { fault = std::current_exception(); }
    group_->meet_again();
    if (fault != nullptr) { std::rethrow_exception(fault); }
  }

  template <class T> void reduce(std::span<T> values) {
    std::vector<T> total(values.size());
    exchange({"all_reduce_fast", 0, std::as_bytes(values), {}}, [&] {
      for (const Given& from : group_->given) {
        VOX_CHECK(from.bytes.size() == values.size_bytes(), "all_reduce_fast: ranks differ in the number of values");
        const auto* const term = reinterpret_cast<const T*>(from.bytes.data());
        for (std::size_t i = 0; i < total.size(); ++i) { total[i] += term[i]; }
      }
    });
    std::ranges::copy(total, values.begin());
  }

  std::shared_ptr<Group> group_;
  int rank_;
};

}  // namespace

void run_ranks(int n, const std::function<void(Communicator&)>& body) {
  VOX_CHECK(n > 0, "run_ranks: {} ranks", n);
  Job job;
  const auto group = std::make_shared<Group>(job, n);
  std::vector<std::exception_ptr> own(static_cast<std::size_t>(n));
  std::vector<std::exception_ptr> followed(static_cast<std::size_t>(n));
  std::vector<std::thread> threads;
  for (int r = 0; r < n; ++r) {
    threads.emplace_back([&, r] {
      try {
        ThreadRank rank(group, r);
        body(rank);
      } catch (const OtherRankFailed&) {
        followed[static_cast<std::size_t>(r)] = std::current_exception();
      } catch (...) { own[static_cast<std::size_t>(r)] = std::current_exception(); }
      const std::lock_guard lock(job.mutex);
      if (own[static_cast<std::size_t>(r)]) {
        job.failed = true;
      } else {
        ++job.ended;
      }
      job.changed.notify_all();
    });
  }
  for (std::thread& thread : threads) { thread.join(); }
  for (const auto& list : {own, followed}) {
    for (const std::exception_ptr& e : list) {
      if (e) { std::rethrow_exception(e); }
    }
  }
}

}  // namespace vox::test
