#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace vox {

/// The bytes of a PNG file (ISO/IEC 15948) of 8 bits a channel, 1 (grey) or 3 (RGB), rows from the top, compressed by
/// zlib. Each row is stored as its difference from the one above. Throws Error where the values are not as many.
[[nodiscard]] std::string png_file(std::int64_t width, std::int64_t height, std::int64_t channels,
                                   std::span<const std::uint8_t> rows);

}  // namespace vox
