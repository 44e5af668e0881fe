#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>

namespace vox {

/// Values of a tensor at most: 2^56. Rounded up to blocks of eight channels and times the 8 bytes of f64 that is 2^62
/// bytes, so a tensor's offsets, counts and bytes are below 2^63. No machine holds as much.
inline constexpr std::int64_t kMostValues = std::int64_t{1} << 56U;

/// Voxels of all volumes of a file, or of a case, at most: 2^40. Readers refuse more, so that with 2^16 channels, which
/// is as many as a network may have, of 64 bytes a voxel no count of bytes overflows.
inline constexpr std::int64_t kMostVoxels = std::int64_t{1} << 40U;

/// The product of extents that a file, an option or a caller gave. Nothing where one of them is negative, or where
/// those that are not 0 have a product above `most`: then no product of some of them overflows either, in whatever
/// order.
[[nodiscard]] constexpr std::optional<std::int64_t> size_product(
    std::span<const std::int64_t> extents, std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
  std::int64_t product = 1;
  bool empty = false;
  for (const std::int64_t n : extents) {
    if (n < 0) { return std::nullopt; }
    if (n == 0) {
      empty = true;
    } else if (product > most / n) {
      return std::nullopt;
    } else {
      product *= n;
    }
  }
  return empty ? 0 : product;
}

[[nodiscard]] constexpr std::optional<std::int64_t> size_product(
    std::initializer_list<std::int64_t> extents, std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
  return size_product(std::span(extents.begin(), extents.size()), most);
}

}  // namespace vox
