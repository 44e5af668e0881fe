#pragma once

#include <cstdint>
#include <memory>

#include "engine/ranks/backends/mpi_faults.h"
#include "engine/ranks/communicator.h"

namespace vox {

/// The same ranks as `host`, for buffers of the calling thread's GPU, through NCCL. Collective. NCCL's id goes over
/// host; id is that of another communicator, see MpiCommunicator.
///
/// Calls are submitted to the calling thread's queue. A thread of the communicator's own looks every few milliseconds
/// whether a rank failed, NCCL reports an error, or the oldest call is not done within the time limit; then it ends
/// what is under way on the GPU, with whatever bytes, so that who waits for the GPU goes on, and the next call throws
/// what it found. NCCL asks that calls on two communicators of one GPU are submitted in the same order on all ranks.
[[nodiscard]] std::unique_ptr<Communicator> nccl_communicator(std::unique_ptr<Communicator> host,
                                                              std::shared_ptr<mpi::Faults>, std::uint64_t id);

}  // namespace vox
