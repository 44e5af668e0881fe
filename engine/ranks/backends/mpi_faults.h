#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/ranks/backends/mpi_library.h"
#include "engine/ranks/job.h"

namespace vox::mpi {

/// Which collective call: all ranks give their communicators the same ids, and count the calls of each.
struct Call {
  const char* name = "";
  std::size_t bytes = 0;
  std::uint64_t communicator = 0;
  std::uint64_t number = 0;
};

/// How ranks hear of each other's faults: short messages from rank to rank on a communicator of their own. A rank reads
/// them whenever a thread of it begins a collective call or waits in one, so within a millisecond while it
/// waits, and not while it computes. What they say:
/// - failed(code): I cannot go on. Sent to all by the rank that fails, when its exception has come to the top.
/// - asked(call), answered(calls): has your thread come to this call? Sent by who has waited for as long as the limit
///   allows. A rank that computes, hangs or is gone does not answer within 5 s, and has not come: whoever has come is
///   waiting, or has left it and answers when it waits next.
/// leave_world() says what follows from it. Any thread may call these functions, at any time.
class Faults {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Faults(MPI_Comm world);                           ///< collective
  void set_time_limit(double seconds) { limit_ = seconds; }  ///< 0, as at first: none

  /// Counts a call of a communicator that this rank begins, and throws where a rank has failed.
  [[nodiscard]] Call begin(const char* name, std::size_t bytes, std::uint64_t communicator);
  /// Until all of them are done. Throws OtherRankFailed, after going on for a tenth of a second with what is under way,
  /// as the buffers of the call are freed then; RankLost at the time limit or where MPI fails.
  void wait(std::span<MPI_Request>, const Call&);
  /// leave_world(): all ranks.
  [[nodiscard]] int agree(const Ending&, const std::function<void(const std::string&)>& say);
  [[nodiscard]] bool heard() const { return lowest_failed_.load() != kNone; }

  // For calls that MPI does not know of, those of a GPU:
  void throw_if_heard();  ///< OtherRankFailed
  /// RankLost where the call has waited for longer than the limit and a rank has not begun it.
  void throw_if_too_late(const Call&, Clock::time_point since);

 private:
  enum Kind : std::int32_t { kFailed = 1, kAsked, kAnswered };
  struct Message {
    std::int32_t kind = 0;
    std::int32_t code = 0;
    std::uint64_t communicator = 0;
    std::uint64_t number = 0;
  };
  struct Sent {
    Message message;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  static constexpr int kNone = std::numeric_limits<int>::max();

  void poll();
  void receive(const Message&, int from);
  void send(const Message&, int to);
  void note_failure(int rank, int code);
  [[noreturn]] void throw_other_failed() const;
  /// "rank 2" or, where there are several hosts, "rank 2 on node-b".
  [[nodiscard]] std::string named(int rank) const;
  /// Who has not come; empty where all have, or where done() or a failure ends the question.
  [[nodiscard]] std::vector<int> ask_who_is_missing(const Call&, const std::function<bool()>& done);
  [[nodiscard]] std::string missing_text(const std::vector<int>& ranks, const Call&) const;
  [[noreturn]] void give_up(const Ending&, const std::function<void(const std::string&)>& say);

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::vector<std::string> hosts_;
  bool several_hosts_ = false;
  std::atomic<double> limit_{0};
  std::atomic<int> lowest_failed_{kNone};
  std::mutex mutex_;                                               ///< of what follows, and of receiving
  std::map<int, int> codes_;                                       ///< of ranks that failed
  std::map<std::uint64_t, std::uint64_t> begun_;                   ///< calls per communicator
  std::map<std::uint64_t, std::map<int, std::uint64_t>> answers_;  ///< communicator, rank: calls it has begun
  std::list<Sent> sent_;
};

}  // namespace vox::mpi
