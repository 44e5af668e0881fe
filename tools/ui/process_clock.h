#pragma once

namespace vox {

/// Since the system started this process, dynamic linking included; to a hundredth of a second.
[[nodiscard]] double seconds_since_process_start();

}  // namespace vox
