#include "engine/ranks/job.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "engine/ranks/backends/mpi.h"
#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "kernels/cuda/nccl.h"

namespace vox {
namespace {

/// What launchers tell the processes they start: how many there are.
constexpr std::array kSizes{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS"};

long launched_ranks() {
  for (const char* const name : kSizes) {
    const char* const text = std::getenv(name);
    if (text != nullptr) { return std::strtol(text, nullptr, 10); }
  }
  return 1;
}

}  // namespace

void join_world() {
  const long ranks = launched_ranks();
  if (ranks <= 1) { return; }
  VOX_CHECK(mpi::built(), "this is one of {} processes that were started together, and MPI is {}", ranks,
            mpi::version());
  set_world(mpi::start());
  mpi::set_time_limit(rank_time_limit());  // a fault like any other from here on: said once
  VOX_CHECK(world().size() == ranks,
            "the launcher started {} processes, and {} knows of {}: start them with its own mpirun, or with srun "
            "--mpi=pmix or pmi2, whichever it was built for",
            ranks, mpi::version(), world().size());
}

int leave_world(const Ending& ending, const std::function<void(const std::string&)>& say) {
  if (!mpi::started()) {
    if (!ending.message.empty()) { say(ending.message); }
    return ending.code;
  }
  const int code = mpi::agree(ending, say);
  set_world(nullptr);
  mpi::finish();
  return code;
}

double rank_time_limit() {
  constexpr double kDefault = 600;
  const char* const text = std::getenv("VOXGRAD_RANK_TIMEOUT");
  if (text == nullptr) { return kDefault; }
  const std::string_view all(text);
  double seconds = 0;
  const auto parsed = std::from_chars(all.data(), all.data() + all.size(), seconds);
  VOX_CHECK(parsed.ec == std::errc{} && parsed.ptr == all.data() + all.size() && seconds >= 0 && seconds < 1e9,
            "VOXGRAD_RANK_TIMEOUT is '{}', wants seconds, 0 for no limit", all);
  return seconds;
}

std::string mpi_version() { return mpi::version(); }
std::string nccl_version() { return nccl::version(); }
bool mpi_is_cuda_aware() { return mpi::cuda_aware(); }

}  // namespace vox
