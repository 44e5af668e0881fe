#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace vox {

// Names of files are bytes, JSON is UTF-8. All JSON that is written goes through here.

/// The text as it is where it is valid UTF-8; of other text each byte that belongs to no valid sequence becomes `\xfc`,
/// as Python's backslashreplace has it.
[[nodiscard]] std::string utf8_text(std::string_view);

/// JSON as text: on one line, or with this many spaces per level. Throws for no bytes: strings and keys that are not
/// UTF-8 go through utf8_text(), and a key that would then be another one's gets a number, `M\xfc (2)`.
[[nodiscard]] std::string json_text(const nlohmann::json&, int indent = -1);
[[nodiscard]] std::string json_text(const nlohmann::ordered_json&, int indent = -1);

}  // namespace vox
