#include "engine/ranks/backends/mpi_faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/ranks/other_rank_failed.h"

namespace vox::mpi {
namespace {

constexpr int kTag = 0;

}  // namespace

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) { return; }
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  fail<RankLost>(__FILE__, __LINE__,
                 fmt::format("{}: {}", std::string_view(call).substr(0, std::string_view(call).find('(')),
                             std::string_view(text.data(), static_cast<std::size_t>(length))));
}

Faults::Faults(MPI_Comm world) {
  VOX_MPI(MPI_Comm_dup(world, &comm_));
  VOX_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  VOX_MPI(MPI_Comm_rank(comm_, &rank_));
  VOX_MPI(MPI_Comm_size(comm_, &size_));
  constexpr int kName = MPI_MAX_PROCESSOR_NAME;
  std::array<char, kName> own{};
  int length = 0;
  VOX_MPI(MPI_Get_processor_name(own.data(), &length));
  std::vector<char> all(static_cast<std::size_t>(size_) * kName);
  VOX_MPI(MPI_Allgather(own.data(), kName, MPI_CHAR, all.data(), kName, MPI_CHAR, comm_));
  for (int r = 0; r < size_; ++r) { hosts_.emplace_back(all.data() + static_cast<std::ptrdiff_t>(r) * kName); }
  const auto& own_host = hosts_[static_cast<std::size_t>(rank_)];
  several_hosts_ = std::count(hosts_.begin(), hosts_.end(), own_host) != size_;
}

std::string Faults::named(int rank) const {
  if (!several_hosts_) { return fmt::format("rank {}", rank); }
  return fmt::format("rank {} on {}", rank, hosts_[static_cast<std::size_t>(rank)]);
}

void Faults::send(const Message& message, int to) {
  Sent& sent = sent_.emplace_back(Sent{message, MPI_REQUEST_NULL});
  VOX_MPI(MPI_Isend(&sent.message, sizeof sent.message, MPI_BYTE, to, kTag, comm_, &sent.request));
}

void Faults::note_failure(int rank, int code) {
  codes_.emplace(rank, code);
  if (rank < lowest_failed_.load()) { lowest_failed_ = rank; }
}

void Faults::receive(const Message& message, int from) {
  switch (message.kind) {
    case kFailed:
      note_failure(from, message.code);
      break;
    case kAsked:
      send({kAnswered, 0, message.communicator, begun_[message.communicator]}, from);
      break;
    default:
      answers_[message.communicator][from] = message.number;
  }
}

void Faults::poll() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) { return; }  // another thread of this rank is at it
  for (;;) {
    int there = 0;
    MPI_Status status{};
    VOX_MPI(MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm_, &there, &status));
    if (there == 0) { break; }
    Message message;
    VOX_MPI(MPI_Recv(&message, sizeof message, MPI_BYTE, status.MPI_SOURCE, kTag, comm_, MPI_STATUS_IGNORE));
    receive(message, status.MPI_SOURCE);
  }
  std::erase_if(sent_, [](Sent& sent) {
    int done = 0;
    VOX_MPI(MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE));
    return done != 0;
  });
}

void Faults::throw_other_failed() const {
  fail<OtherRankFailed>(__FILE__, __LINE__, fmt::format("{} failed", named(lowest_failed_.load())));
}

void Faults::throw_if_heard() {
  poll();
  if (heard()) { throw_other_failed(); }
}

Call Faults::begin(const char* name, std::size_t bytes, std::uint64_t communicator) {
  throw_if_heard();
  const std::lock_guard lock(mutex_);
  return {name, bytes, communicator, ++begun_[communicator]};
}

}  // namespace vox::mpi
