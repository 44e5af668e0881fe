#include "engine/ranks/backends/mpi.h"
#include "kernels/base/check.h"

namespace vox::mpi {

bool built() noexcept { return false; }
std::string version() { return "not built in: configure with -DVOX_MPI=ON and an MPI library"; }
bool cuda_aware() { return false; }
std::unique_ptr<Communicator> start() { VOX_FAIL("this program was built without MPI: configure with -DVOX_MPI=ON"); }
void set_time_limit(double) {}
bool started() noexcept { return false; }
int agree(const Ending& ending, const std::function<void(const std::string&)>&) { return ending.code; }
void finish() {}

}  // namespace vox::mpi
