#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "kernels/base/queue.h"
#include "kernels/base/shared_memory.h"

namespace vox::gpu {

/// Can a kernel of the calling thread's GPU begin while the one before it still runs? From compute capability 9.0 on.
[[nodiscard]] bool launches_overlap();

/// Throws vox::Error naming the kernel, where it was launched, with what, and what the runtime said.
[[noreturn]] void launch_failed(const char* kernel, const char* file, int line, dim3 grid, dim3 block,
                                std::size_t shared_bytes, cudaError_t);

/// OVERLAPS: the kernel may begin while the one before it in the stream still runs.
template <bool OVERLAPS, class... P, class... A>
void launch(const CudaQueue& q, const char* name, const char* file, int line, void (*kernel)(P...), dim3 grid,
            dim3 block, std::size_t shared_bytes, A... a) {
  cudaError_t code = cudaSuccess;
  if (asks_for_shared(shared_bytes)) {
    code = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
  }
  if (code == cudaSuccess) {
    // The next kernel is set up, which takes microseconds, while this one runs: wait_for_launches_before().
    cudaLaunchAttribute overlap{};
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = q.stream;
    config.attrs = &overlap;
    config.numAttrs = OVERLAPS && launches_overlap() ? 1 : 0;
    code = cudaLaunchKernelEx(&config, kernel, static_cast<P>(a)...);
  }
  if (code != cudaSuccess) { launch_failed(name, file, line, grid, block, shared_bytes, code); }
}

}  // namespace vox::gpu

namespace vox::cuda {

/// Throws vox::Error naming the call and what the runtime said, unless it succeeded.
void check(cudaError_t, const char* call);

}  // namespace vox::cuda
