#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace vox {

/// A PNG of 8 bits of grey, rows from the top, as a "data:image/png;base64," URI. Every row is filtered as the PNG
/// specification (ISO/IEC 15948) proposes in 12.8: by the filter whose results have the least sum of absolute values.
[[nodiscard]] std::string grey_png_uri(std::int64_t width, std::int64_t height, std::span<const std::uint8_t> rows);

}  // namespace vox
