#pragma once

#include <string_view>

namespace vox {

[[nodiscard]] std::string_view compiler();    ///< "g++ 12.2.0"
[[nodiscard]] std::string_view build_type();  ///< CMake's: "Release"

/// The commit that was built: "1a2b3c4d5e", "1a2b3c4d5e+changes" where the tree differed from it, "unknown" where the
/// sources lay in no repository.
[[nodiscard]] std::string_view commit();

}  // namespace vox
