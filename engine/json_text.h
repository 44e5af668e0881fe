#pragma once

#include <string>
#include <string_view>

namespace vox {

class Json;

// Names of files are bytes, JSON is UTF-8. All JSON that is written goes through here.

/// The text as it is where it is valid UTF-8; of other text each byte that belongs to no valid sequence becomes `\xfc`,
/// as Python's backslashreplace has it.
[[nodiscard]] std::string utf8_text(std::string_view);

/// JSON as text: on one line, or with this many spaces per level. Numbers that are not finite become null. Throws for
/// no bytes: strings and keys that are not UTF-8 go through utf8_text(), and a key that would then be another one's
/// gets a number, `M\xfc (2)`.
[[nodiscard]] std::string json_text(const Json&, int indent = -1);

/// Version of nlohmann's JSON for Modern C++, which reads and writes the text, "3.11.2".
[[nodiscard]] std::string json_library_version();

}  // namespace vox
