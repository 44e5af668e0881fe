#pragma once

#include <cstdint>
#include <string_view>

namespace vox {

/// The cyclic redundancy check of iSCSI (RFC 3720, 12.1): Castagnoli's polynomial 0x1EDC6F41, bits reflected, begun
/// with and inverted by all ones. "123456789" gives 0xE3069283.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes);

}  // namespace vox
