#pragma once

#include <string>
#include <string_view>

namespace vox {

/// Names and texts of files as a terminal may be given them: control characters but for the end of a line and tab
/// become
/// "\x1b", those of Unicode (U+0080 to U+009F) "\x9b", so that none is obeyed.
[[nodiscard]] std::string printable_text(std::string_view);

}  // namespace vox
