#include "tools/ui/printable_text.h"

#include <fmt/core.h>

namespace vox {

std::string printable_text(std::string_view text) {
  std::string printable;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    if (c == 0xC2 && next >= 0x80 && next < 0xA0) {
      printable += fmt::format("\\x{:02x}", next);
      ++i;
    } else if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7F) {
      printable += fmt::format("\\x{:02x}", c);
    } else {
      printable += text[i];
    }
  }
  return printable;
}

}  // namespace vox
