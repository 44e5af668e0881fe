#pragma once

#include "engine/ranks/communicator.h"

namespace vox {

/// The ranks that this process was started with: those of mpirun or srun, or itself alone.
[[nodiscard]] Communicator& world();

/// Makes world() what the launcher says; before any other thread is started. Throws Error where this process is one of
/// several and the build has no MPI.
void join_world();
/// Ends what join_world() began; all ranks call it. world() is then alone.
void leave_world();

/// Rank 0 speaks and writes for all.
[[nodiscard]] inline bool is_first_rank() { return world().rank() == 0; }

}  // namespace vox
