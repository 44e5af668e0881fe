#pragma once

#include <string>
#include <string_view>

namespace vox {

/// Bytes as "data:TYPE;base64,..." (RFC 2397, RFC 4648), such as type "image/png".
[[nodiscard]] std::string data_uri(std::string_view type, std::string_view bytes);

}  // namespace vox
