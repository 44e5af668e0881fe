#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "engine/ranks/backends/mpi_faults.h"
#include "engine/ranks/other_rank_failed.h"

namespace vox::mpi {
namespace {

using Clock = Faults::Clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr auto kDrain = milliseconds(100);

/// How a thread passes the time between two looks. A partner that is there answers within microseconds; where ranks
/// have more threads than the host has cores, it may have to be given this core first.
class Pause {
 public:
  void operator()() {
    ++turn_;
    if (turn_ <= kSpins) { return; }
    if (turn_ <= kSpins + kYields) {
      sched_yield();
      return;
    }
    std::this_thread::sleep_for(turn_ <= kShortSleeps ? kSleep : kLongSleep);
  }
  /// Has a look at the clock and at the faults been due since?
  [[nodiscard]] bool slow() const { return turn_ > kSpins || turn_ % 32 == 0; }

 private:
  static constexpr int kSpins = 100;
  static constexpr int kYields = 100;
  static constexpr int kShortSleeps = 5000;  // some tenths of a second
  static constexpr auto kSleep = microseconds(20);
  static constexpr auto kLongSleep = milliseconds(1);
  int turn_ = 0;
};

bool all_done(std::span<MPI_Request> requests) {
  int done = 0;
  VOX_MPI(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE));
  return done != 0;
}

std::string size_text(std::size_t bytes) {
  if (bytes < 10'000) { return fmt::format("{} bytes", bytes); }
  if (bytes < 10'000'000) { return fmt::format("{} kB", bytes / 1000); }
  return fmt::format("{} MB", bytes / 1'000'000);
}

}  // namespace

void Faults::wait(std::span<MPI_Request> requests, const Call& call) {
  const auto begin = Clock::now();
  Clock::time_point heard_at{};
  auto asked_at = begin;
  for (Pause pause; !all_done(requests); pause()) {
    if (!pause.slow()) { continue; }
    poll();
    const auto now = Clock::now();
    if (heard()) {
      if (heard_at == Clock::time_point{}) { heard_at = now; }
      if (now - heard_at > kDrain) { throw_other_failed(); }
      continue;
    }
    if (limit_.load() == 0 || now - asked_at < std::chrono::duration<double>(limit_.load())) { continue; }
    const std::vector<int> missing = ask_who_is_missing(call, [&] { return all_done(requests); });
    if (!missing.empty() && !heard()) { fail<RankLost>(__FILE__, __LINE__, missing_text(missing, call)); }
    if (!heard() && asked_at != begin) {
      fail<RankLost>(
          __FILE__, __LINE__,
          fmt::format("the {} of {} does not end: all ranks have come to it, and twice {:g} s were not enough "
                      "for its bytes",
                      call.name, size_text(call.bytes), limit_.load()));
    }
    asked_at = Clock::now();
  }
}

void Faults::throw_if_too_late(const Call& call, Clock::time_point since) {
  if (limit_.load() == 0 || Clock::now() - since < std::chrono::duration<double>(limit_.load())) { return; }
  const std::vector<int> missing = ask_who_is_missing(call, [] { return false; });
  if (!missing.empty()) { fail<RankLost>(__FILE__, __LINE__, missing_text(missing, call)); }
}

std::vector<int> Faults::ask_who_is_missing(const Call& call, const std::function<bool()>& done) {
  constexpr auto kAnswer = std::chrono::seconds(5);
  {
    const std::lock_guard lock(mutex_);
    answers_[call.communicator].clear();
    for (int r = 0; r < size_; ++r) {
      if (r != rank_) { send({kAsked, 0, call.communicator, call.number}, r); }
    }
  }
  std::vector<int> missing;
  const auto end = Clock::now() + kAnswer;
  for (;;) {
    poll();
    if (heard() || done()) { return {}; }
    {
      const std::lock_guard lock(mutex_);
      const auto& answers = answers_[call.communicator];
      missing.clear();
      for (int r = 0; r < size_; ++r) {
        const auto answer = answers.find(r);
        if (r != rank_ && (answer == answers.end() || answer->second < call.number)) { missing.push_back(r); }
      }
      const bool all_answered = answers.size() == static_cast<std::size_t>(size_) - 1;
      if (missing.empty() || all_answered || Clock::now() > end) { return missing; }
    }
    std::this_thread::sleep_for(milliseconds(1));
  }
}

std::string Faults::missing_text(const std::vector<int>& ranks, const Call& call) const {
  std::vector<std::string> names;
  for (const int r : ranks) { names.push_back(named(r)); }
  constexpr std::size_t kShown = 8;
  std::string text = fmt::format("{}", fmt::join(std::span(names).first(std::min(names.size(), kShown)), ", "));
  if (names.size() > kShown) { text += fmt::format(" and {} more", names.size() - kShown); }
  const std::string what = call.bytes == 0 ? call.name : fmt::format("{} of {}", call.name, size_text(call.bytes));
  return fmt::format("{} {} not come to the {} within {:g} s (VOXGRAD_RANK_TIMEOUT)", text,
                     names.size() == 1 ? "has" : "have", what, limit_.load());
}

}  // namespace vox::mpi
