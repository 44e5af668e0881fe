#pragma once

#include <string_view>

namespace vox {

/// What this file is compiled with: "g++ 12.2.0".
[[nodiscard]] constexpr std::string_view compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace vox
