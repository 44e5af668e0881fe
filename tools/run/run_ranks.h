#pragma once

#include <string>
#include <vector>

#include "engine/json.h"
#include "engine/ranks/communicator.h"
#include "tools/run/train_options.h"

namespace vox {

/// A rank of a run, as it says itself.
struct RunRank {
  std::string host;
  std::string device;  ///< describe(Device)
  std::string isa;     ///< instruction set of its CPU kernels
  int threads = 0;
};

/// The ranks of a run, by rank, once they have found that they are to do the same. Throws Error naming those that
/// differ from rank 0: in program (its version and build), in an option that shapes the result, or, unless it is
/// --reduce fast, in the instruction set, whose sums are in another order. Threads, memory and the number of a GPU may
/// differ. Throws Error, too, for a batch of fewer cases than ranks. Collective, and every rank throws the same.
[[nodiscard]] std::vector<RunRank> meet_ranks(Communicator&, const TrainOptions&, const std::string& program);

/// "4 ranks (MPI, Open MPI 4.1.4): ranks 0, 1 on node1 (cpu: 2 threads, avx2); ranks 2, 3 on node2 (...)".
[[nodiscard]] std::string ranks_text(const std::vector<RunRank>&, const std::string& communicator);
/// [{"rank", "host", "device", "isa", "threads"}]
[[nodiscard]] Json to_json(const std::vector<RunRank>&);

}  // namespace vox
