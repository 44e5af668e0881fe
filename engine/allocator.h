#pragma once

#include <cstddef>

#include "engine/types.h"

namespace vox {

/// Bytes handed out by the allocator of one device.
struct MemoryReport {
  std::size_t in_use_bytes = 0;    ///< now, in live storages
  std::size_t peak_bytes = 0;      ///< largest in_use_bytes since reset_peak()
  std::size_t reserved_bytes = 0;  ///< in_use plus what is kept for reuse
};

/// Bytes aligned to 64 (2 MiB for large blocks, which ask for huge pages). Released blocks are kept and reused by the
/// next request of about their size. Throws MemoryError saying how much was asked, used and kept. Thread-safe.
[[nodiscard]] std::byte* allocate(std::size_t bytes, Device);
void release(std::byte*, std::size_t bytes, Device) noexcept;

[[nodiscard]] MemoryReport memory_report(Device);
void reset_peak(Device);
void release_unused(Device) noexcept;  ///< gives the blocks kept for reuse back to the system

/// What a test sees in memory nobody has written: as_found, or all bytes 0xFF, which is NaN in every float type.
enum class FreshMemory : unsigned char { as_found, nan };
void set_fresh_memory(FreshMemory);

}  // namespace vox
