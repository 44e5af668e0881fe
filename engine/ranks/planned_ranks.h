#pragma once

#include <memory>

#include "engine/ranks/communicator.h"

namespace vox {

/// A rank of so many in a dry run (engine/dry_run.h), which counts the memory of what it exchanges and asks nobody:
/// every collective call throws. memory: where its buffers lie.
[[nodiscard]] std::unique_ptr<Communicator> planned_ranks(int rank, int ranks, Device memory);

}  // namespace vox
