#pragma once

#include <cstddef>
#include <cstdint>

/// Memory of the simt device. Fresh memory is NaN in every float type, and the checking build knows every block's
/// bounds and what has been written.
namespace vox::simt_device {

[[nodiscard]] void* allocate(std::size_t bytes, const char* name);
void release(void*) noexcept;
void copy_in(void* device, const void* host, std::size_t bytes);
void copy_out(void* host, const void* device, std::size_t bytes);
void copy_within(void* to, const void* from, std::size_t bytes);  ///< both on the device
void fill_zero(void* device, std::size_t bytes);

/// A block that is kept for a request which comes again: between the two nobody may touch it. renew() leaves it as
/// allocate() does. A block must be renewed before it is released.
void retire(void* device, std::size_t bytes);
void renew(void* device, std::size_t bytes);

/// What the calling program asked of the device since it began. On a GPU the host waits for all that it submitted
/// wherever it copies out, and for a copy in from memory that is not page-locked;
/// both are refused while work is recorded, as is memory of the system.
struct Work {
  std::int64_t launches = 0;
  std::int64_t replays = 0;  ///< of recordings, whatever is in them (recording.h)
  std::int64_t copies_in = 0;
  std::int64_t copies_out = 0;
};
[[nodiscard]] Work work();
void count_replay();
void set_threads(int threads);  ///< blocks that run at the same time; the checking build always takes one

}  // namespace vox::simt_device
