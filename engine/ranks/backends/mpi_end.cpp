#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "engine/ranks/backends/mpi_faults.h"
#include "engine/ranks/other_rank_failed.h"

namespace vox::mpi {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr auto kGrace = seconds(60);     // for ranks that compute when another fails
constexpr auto kLostGrace = seconds(5);  // where one is lost anyhow
constexpr std::uint64_t kFine = ~std::uint64_t{0};

std::uint64_t hash_of(std::string_view text) {  // FNV-1a, the same on every build
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : text) { hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U; }
  return hash;
}

}  // namespace

int Faults::agree(const Ending& ending, const std::function<void(const std::string&)>& say) {
  Ending own = ending;
  const auto fail_with = [&](const Ending& failure) {
    own = failure;
    const std::lock_guard lock(mutex_);
    note_failure(rank_, own.code);
    for (int r = 0; r < size_; ++r) {
      if (r != rank_) { send({kFailed, own.code, 0, 0}, r); }
    }
  };
  const Call the_end{"end", 0, 0, 1};
  try {
    if (own.code != 0 && !own.because_of_others) { fail_with(own); }
    {
      const std::lock_guard lock(mutex_);
      begun_[the_end.communicator] = the_end.number;
    }
    MPI_Request request = MPI_REQUEST_NULL;
    VOX_MPI(MPI_Ibarrier(comm_, &request));
    const auto done = [&] {
      int flag = 0;
      VOX_MPI(MPI_Test(&request, &flag, MPI_STATUS_IGNORE));
      return flag != 0;
    };
    auto since = Clock::now();
    bool known = false;
    while (!done()) {
      poll();
      if (heard() && !known) {
        known = true;
        since = Clock::now();
      }
      const auto waited = Clock::now() - since;
      if (known) {
        const std::lock_guard lock(mutex_);
        const bool lost = std::ranges::any_of(codes_, [](const auto& c) { return c.second == kRankLostCode; });
        if (waited > (lost ? kLostGrace : kGrace)) { break; }
      } else if (limit_.load() > 0 && waited > std::chrono::duration<double>(limit_.load())) {
        const std::vector<int> missing = ask_who_is_missing(the_end, done);
        if (!missing.empty() && !heard()) { fail_with({kRankLostCode, missing_text(missing, the_end), false}); }
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
    if (request == MPI_REQUEST_NULL) {
      // The lowest rank that failed, its code, and whether all say the same: one MIN of three numbers.
      const bool failed = own.code != 0 && !own.because_of_others;
      const std::uint64_t hash = failed ? hash_of(own.message) : 0;
      const std::uint64_t key = (static_cast<std::uint64_t>(rank_) << 32U) | static_cast<std::uint32_t>(own.code);
      const std::array<std::uint64_t, 3> mine{failed ? key : kFine, hash, ~hash};
      std::array<std::uint64_t, 3> all{};
      VOX_MPI(MPI_Allreduce(mine.data(), all.data(), 3, MPI_UINT64_T, MPI_MIN, comm_));
      if (all[0] == kFine) { return own.code; }
      const bool same_words = all[1] == ~all[2] && size_ > 1;
      if (all[0] >> 32U == static_cast<std::uint64_t>(rank_) && !own.message.empty()) {
        say(same_words ? own.message : fmt::format("{}: {}", named(rank_), own.message));
      }
      VOX_MPI(MPI_Barrier(comm_));  // the message is out before any rank ends
      return static_cast<int>(all[0] & 0xFFFFFFFFU);
    }
  } catch (const std::exception& e) {  // the connection is lost: nobody can be told
    if (own.code == 0 || own.because_of_others) { own = {kRankLostCode, e.what(), false}; }
    note_failure(rank_, own.code);
  }
  give_up(own, say);
}

void Faults::give_up(const Ending& own, const std::function<void(const std::string&)>& say) {
  const int lowest = lowest_failed_.load();
  if (lowest != rank_) {  // that rank says it, and ends us: unless it cannot any more
    std::this_thread::sleep_for(kLostGrace);
    say(fmt::format("{} failed, and the job cannot end in order", named(lowest)));
  } else if (!own.message.empty()) {
    say(fmt::format("{}: {}", named(rank_), own.message));
  }
  MPI_Abort(MPI_COMM_WORLD, codes_.at(lowest));
  std::_Exit(codes_.at(lowest));
}

}  // namespace vox::mpi
