#pragma once

#include <cstddef>

#include "engine/types.h"

namespace vox {

/// Bytes from one device to another; one of the two must be the CPU, or both the same device. Returns when the bytes
/// are there and the source may be changed; within a device the copy is work of the stream like any other.
void copy_bytes(std::byte* to, Device to_device, const std::byte* from, Device from_device, std::size_t bytes);

void zero_bytes(std::byte*, Device, std::size_t bytes);

}  // namespace vox
