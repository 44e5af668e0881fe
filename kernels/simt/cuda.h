#pragma once

/// What kernels/cuda/gpu.h shows to a compiler that is not nvcc: CUDA's names, executed on the CPU.

#include "kernels/simt/host.h"

#define VOX_UNROLL
#define VOX_SHARED(T, name, extents) SIMT_SHARED(T, name, extents)
#define VOX_DYNAMIC_SHARED(T, name) SIMT_DYN_SHARED(T, name)

namespace vox::gpu {

using namespace ::simt;  // NOLINT(google-build-using-namespace): the wrappers, under the name kernels know

/// Throws vox::Error with what the executor found in the last launch: kernel, source line, block and thread.
void throw_faults(const char* kernel, const char* file, int line);

template <class... P, class... A>
void launch(const SimtQueue&, const char* name, const char* file, int line, void (*kernel)(P...), dim3 grid, dim3 block,
            std::size_t shared_bytes, A... a) {
  ::simt::launch(kernel, grid, block, shared_bytes, nullptr, a...);
  throw_faults(name, file, line);
}

}  // namespace vox::gpu
