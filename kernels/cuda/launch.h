#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace vox::gpu {

/// Can a kernel of the calling thread's GPU begin while the one before it still runs? From compute capability 9.0 on.
[[nodiscard]] bool launches_overlap();

/// Throws vox::Error naming the kernel, where it was launched, with what, and what the runtime said.
[[noreturn]] void launch_failed(const char* kernel, const char* file, int line, dim3 grid, dim3 block,
                                std::size_t shared_bytes, cudaError_t);

}  // namespace vox::gpu

namespace vox::cuda {

/// Throws vox::Error naming the call and what the runtime said, unless it succeeded.
void check(cudaError_t, const char* call);

}  // namespace vox::cuda
