#include "engine/ranks/mpi.h"
#include "kernels/base/check.h"

namespace vox::mpi {

bool built() noexcept { return false; }
std::string version() { return "not built in: configure with -DVOX_MPI=ON and an MPI library"; }
std::unique_ptr<Communicator> start() { VOX_FAIL("this program was built without MPI: configure with -DVOX_MPI=ON"); }
void finish() {}

}  // namespace vox::mpi
