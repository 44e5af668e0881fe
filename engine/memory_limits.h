#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/types.h"

namespace vox {

struct MemoryLimit {
  std::size_t bytes = 0;
  std::string source;  ///< "MemAvailable of /proc/meminfo", "memory.max of the control group", "--memory", ...
};

/// What this process can still take without swapping or being killed: the least of what the machine has available, what
/// is left in the process' control groups (version 2 or 1), both shared by the ranks on the machine, and what ulimit -v
/// leaves. Of CUDA: what the GPU has free.
[[nodiscard]] MemoryLimit available_memory(Device);
/// An equal part of what a machine has for each rank on it (engine/ranks/world.h).
[[nodiscard]] MemoryLimit shared_by_ranks(MemoryLimit);

/// "8GiB", "500MB", "1.5G" (GiB, like K and M) or plain bytes. Throws Error for another text.
[[nodiscard]] std::size_t bytes_named(std::string_view);
[[nodiscard]] std::string bytes_text(std::size_t);  ///< "2.31 GiB", "637.2 MiB", "512 bytes"

}  // namespace vox
