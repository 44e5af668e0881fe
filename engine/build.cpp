#include "engine/build.h"

#include "commit.h"  // made by the build; included here alone, so that a new commit compiles one file

namespace vox {

std::string_view compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

std::string_view build_type() { return VOX_BUILD_TYPE; }
std::string_view commit() { return VOX_COMMIT; }

}  // namespace vox
