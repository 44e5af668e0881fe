#pragma once

#include <memory>

#include "engine/ranks/communicator.h"

namespace vox {

/// The ranks that this process was started with: those of mpirun or srun, or itself alone (engine/ranks/job.h).
[[nodiscard]] Communicator& world();
/// Makes world() another one; null: alone. For join_world() and for tests.
void set_world(std::unique_ptr<Communicator>);

/// Rank 0 speaks and writes for all.
[[nodiscard]] inline bool is_first_rank() { return world().rank() == 0; }

}  // namespace vox
