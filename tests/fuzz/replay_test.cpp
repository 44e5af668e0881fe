#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/base/check.h"
#include "tests/fuzz/target.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {

/// Seeds and findings of all targets (tests/fuzz/run.sh goes on from them). A target that is wrong aborts.
TEST_CASE("fuzz: every reader reads or refuses the seeds of its target", "[fuzz]") {
  const std::filesystem::path seeds = std::filesystem::path(VOX_SOURCE_DIR) / "tests/fuzz/seeds";
  for (const fuzz::Target& target : fuzz::targets()) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(seeds / target.name)) {
      files.push_back(entry.path());
    }
    std::ranges::sort(files);
    CHECK(!files.empty());
    for (const auto& file : files) {
      INFO(file.string());
      const std::string bytes = read_bytes(file);
      try {
        target.run(bytes);
        if (target.unwrap != nullptr) { target.run(target.wrap(target.unwrap(bytes))); }
        SUCCEED();
      } catch (const Error& e) { CHECK(std::string(e.what()) != ""); }
    }
  }
}

}  // namespace vox::test
