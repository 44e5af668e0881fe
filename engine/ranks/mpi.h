#pragma once

#include <memory>
#include <string>

#include "engine/ranks/communicator.h"

/// All of MPI that the rest of the tree sees. Without VOX_MPI, no_mpi.cpp answers instead.
namespace vox::mpi {

[[nodiscard]] bool built() noexcept;  ///< was this program built with VOX_MPI?
/// "Open MPI 4.1.4", or why there is none.
[[nodiscard]] std::string version();
/// All ranks that were started together: initialises MPI, once.
[[nodiscard]] std::unique_ptr<Communicator> start();
void finish();  ///< after the last use of what start() gave

}  // namespace vox::mpi
