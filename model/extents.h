#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>

namespace vox {

/// Voxels along D, H, W of what goes through the network at once.
using Extents = std::array<std::int64_t, 3>;

[[nodiscard]] constexpr Extents cube(std::int64_t edge) { return {edge, edge, edge}; }
[[nodiscard]] constexpr std::int64_t voxels_of(const Extents& e) { return e[0] * e[1] * e[2]; }
/// "128^3", or "128x160x112" where the edges differ.
[[nodiscard]] inline std::string extents_text(const Extents& e) {
  if (e == cube(e[0])) { return fmt::format("{}^3", e[0]); }
  return fmt::format("{}x{}x{}", e[0], e[1], e[2]);
}

}  // namespace vox
