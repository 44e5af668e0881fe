#pragma once

#include <zlib.h>

#include <string>

namespace vox::test {

[[nodiscard]] std::string gzipped(const std::string&, int level = Z_BEST_SPEED);

}  // namespace vox::test
