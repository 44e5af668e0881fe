#include "data/cases/case_id.h"

#include <algorithm>

namespace vox {

bool is_case_id(std::string_view id) {
  const auto unfit = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7F' || c == '/'; };
  return !id.empty() && !id.starts_with('.') && std::ranges::none_of(id, unfit);
}

}  // namespace vox
