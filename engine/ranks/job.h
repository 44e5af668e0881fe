#pragma once

#include <functional>
#include <string>

namespace vox {

// How a program becomes one rank of a job and how the job ends. These functions are in the library vox_ranks, which our
// programs link and which alone knows MPI and NCCL; who links voxgrad::vox needs neither.

/// Makes world() what the launcher says; before any other thread is started. Throws Error where this process is one of
/// several and the build has no MPI, or where the launcher and MPI disagree about their number.
void join_world();

/// How the work of this rank ended.
struct Ending {
  int code = 0;                    ///< the exit code it would have alone
  std::string message;             ///< for the user; may be empty
  bool because_of_others = false;  ///< OtherRankFailed: code and message are of no interest
};

/// Ends the job; every rank calls it when its work is done or has failed, once, with no other thread in a collective
/// call. world() is then alone.
///
/// - Returns the same exit code on every rank: 0 where all ended well, else that of the lowest rank that failed.
/// - say(message) is called on that rank alone, before any rank returns. The message begins with "rank 3: " (and the
///   host, where there are several), unless all ranks failed with the same words.
/// - A rank that fails tells the others at once: who waits in a collective call, in whatever thread, throws
///   OtherRankFailed within a tenth of a second, who computes does so in its next call.
/// - Where a rank does not come here within a minute after the failure (5 s where it was that a rank is lost), or, if
/// all
///   goes well, within rank_time_limit(), the others call MPI_Abort with that code, and the launcher ends all. It is
///   never waited for longer.
/// - What no rank can tell, one that is killed or whose node dies, is up to the launcher, which ends the others, or
/// else
///   to the time limit.
[[nodiscard]] int leave_world(const Ending&, const std::function<void(const std::string&)>& say);

/// Who waits longer than this in one collective call asks the others where they are and throws RankLost, which names
/// those that have not come. The environment's VOXGRAD_RANK_TIMEOUT in seconds, 0 for none; else 600. Throws Error
/// where that is no number.
[[nodiscard]] double rank_time_limit();

/// "Open MPI 4.1.4", "2.28.9", or why there is none; for doctor.
[[nodiscard]] std::string mpi_version();
[[nodiscard]] std::string nccl_version();
/// Does MPI take buffers of a GPU? Known once the job is joined.
[[nodiscard]] bool mpi_is_cuda_aware();

}  // namespace vox
