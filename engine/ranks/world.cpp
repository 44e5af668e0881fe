#include "engine/ranks/world.h"

#include <array>
#include <cstdlib>

#include "engine/ranks/mpi.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

std::unique_ptr<Communicator>& joined() {
  static std::unique_ptr<Communicator> ranks = alone();
  return ranks;
}

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

Communicator& world() { return *joined(); }

void join_world() {
  const long ranks = launched_ranks();
  if (ranks <= 1) { return; }
  VOX_CHECK(mpi::built(), "this is one of {} processes that were started together, and MPI is {}", ranks,
            mpi::version());
  joined() = mpi::start();
}

void leave_world() {
  if (world().size() == 1) { return; }
  joined() = alone();
  mpi::finish();
}

}  // namespace vox
