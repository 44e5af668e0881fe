#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/ranks/communicator.h"
#include "engine/ranks/job.h"

/// All of MPI that the rest of the tree sees. Without VOX_MPI, no_mpi.cpp answers instead.
namespace vox::mpi {

[[nodiscard]] bool built() noexcept;  ///< was this program built with VOX_MPI?
/// "Open MPI 4.1.4", or why there is none.
[[nodiscard]] std::string version();
[[nodiscard]] bool cuda_aware();  ///< does it say that it takes buffers of a GPU? Asked after start()

/// All ranks that were started together: initialises MPI, once.
[[nodiscard]] std::unique_ptr<Communicator> start();
void set_time_limit(double seconds);  ///< in one collective call, 0 for none
[[nodiscard]] bool started() noexcept;
/// leave_world(), up to the end of MPI.
[[nodiscard]] int agree(const Ending&, const std::function<void(const std::string&)>& say);
void finish();  ///< after the last use of what start() gave

}  // namespace vox::mpi
