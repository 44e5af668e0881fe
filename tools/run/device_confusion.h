#pragma once

#include <string>

#include "data/scoring/metrics.h"

namespace vox {

/// Confusion::add() on a device that select_device() names. Throws Error for a class that is none, as add() does.
[[nodiscard]] Confusion count_on(const std::string& device, std::span<const std::uint8_t> truth,
                                 std::span<const std::uint8_t> predicted);

}  // namespace vox
