#pragma once

#include <string>
#include <vector>

namespace vox {

/// Rows of text as columns: the first to the left, the others to the right, two spaces between, a rule below the first
/// row, which is the header. A row may be shorter than the header. Ends with a newline.
[[nodiscard]] std::string text_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace vox
