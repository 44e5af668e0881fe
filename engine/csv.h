#pragma once

#include <string>
#include <string_view>

#include "engine/json_text.h"

namespace vox {

/// A field of a CSV file as RFC 4180 wants it: in quotes, its own quotes doubled, where it holds a comma, a quote or a
/// line's end, or starts or ends with a space. Text that is not UTF-8 goes through utf8_text().
[[nodiscard]] inline std::string csv_field(std::string_view value) {
  std::string text = utf8_text(value);
  const bool plain =
      text.find_first_of(",\"\r\n") == std::string::npos && !text.starts_with(' ') && !text.ends_with(' ');
  if (plain) { return text; }
  std::string quoted = "\"";
  for (const char c : text) { quoted += c == '"' ? std::string("\"\"") : std::string(1, c); }
  return quoted + '"';
}

}  // namespace vox
