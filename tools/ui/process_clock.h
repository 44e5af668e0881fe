#pragma once

#include <chrono>

namespace vox {

[[nodiscard]] inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Since the system started this process, dynamic linking included; to a hundredth of a second.
[[nodiscard]] double seconds_since_process_start();

}  // namespace vox
