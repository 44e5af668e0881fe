#include "tools/ui/table.h"

#include <fmt/core.h>

#include <algorithm>

namespace vox {

std::string text_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> width;
  for (const auto& row : rows) {
    width.resize(std::max(width.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) { width[c] = std::max(width[c], row[c].size()); }
  }
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      line += c == 0 ? fmt::format("{:<{}}", rows[r][c], width[c]) : fmt::format("  {:>{}}", rows[r][c], width[c]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    if (r == 0) {
      std::size_t all = 0;
      for (const std::size_t w : width) { all += w + 2; }
      text += std::string(all - std::min<std::size_t>(all, 2), '-') + "\n";
    }
  }
  return text;
}

}  // namespace vox
