#pragma once

#include <cstddef>

/// Shared memory of a thread block as CUDA grants it, in bytes: a kernel's own arrays and what the launch adds, its
/// dynamic memory.
namespace vox {

/// Both together without asking, and a kernel's own arrays however it asks.
inline constexpr std::size_t kSharedUnasked = std::size_t{48} * 1024;

/// Both together on every GPU from compute capability 8.0 on: what 8.6 and 8.9 have. 8.0 has 163 KiB, 9.0 has 227.
inline constexpr std::size_t kSharedEverywhere = std::size_t{99} * 1024;

/// Does a launch ask (cudaFuncAttributeMaxDynamicSharedMemorySize)? It does not know the kernel's own arrays: where it
/// does not ask, they may have the other 32 KiB.
[[nodiscard]] constexpr bool asks_for_shared(std::size_t dynamic_bytes) {
  return dynamic_bytes > std::size_t{16} * 1024;
}

}  // namespace vox
