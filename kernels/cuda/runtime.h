#pragma once

#include <cstddef>
#include <string>
#include <vector>

struct CUstream_st;  // cudaStream_t

/// All of the CUDA runtime that the rest of the tree sees. Without VOX_CUDA, none.cpp answers instead.
namespace vox::cuda {

struct DeviceInfo {
  std::string name;
  int compute_major = 0;
  int compute_minor = 0;
  std::size_t memory_bytes = 0;
};

[[nodiscard]] bool built() noexcept;              ///< was this program built with VOX_CUDA?
[[nodiscard]] std::vector<DeviceInfo> devices();  ///< empty where there is no GPU or no driver
[[nodiscard]] std::string versions();             ///< "runtime 13.0, driver 13.0", or why there are none
[[nodiscard]] void* allocate(std::size_t bytes);  ///< null when there is no room
void release(void*) noexcept;

/// Host to device, device to host or within the device, after all work of the stream; returns when it is done.
void copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream);
void zero(void*, std::size_t bytes, CUstream_st* stream);

}  // namespace vox::cuda
