#pragma once

#include <memory>

#include "engine/ranks/communicator.h"

namespace vox {

/// The ranks that this process was started with: those of mpirun or srun, or itself alone (engine/ranks/job.h).
[[nodiscard]] Communicator& world();
/// Makes world() another one; null: alone. For join_world() and for tests. hardware_threads() is from then on this
/// rank's share of the cores (engine/ranks/cores.h).
void set_world(std::unique_ptr<Communicator>);

/// Of these ranks the ones on this machine (of this host name), who share its memory and its cores: this one's place
/// among them, and how many they are.
[[nodiscard]] int local_rank();
[[nodiscard]] int local_ranks();

/// Rank 0 speaks and writes for all.
[[nodiscard]] inline bool is_first_rank() { return world().rank() == 0; }

}  // namespace vox
