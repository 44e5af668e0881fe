#include "tests/support/files.h"

#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/support/catch.h"

namespace vox::test {

namespace fs = std::filesystem;

TempFolder::TempFolder() {
  static std::atomic<int> count{0};
  path_ = fs::temp_directory_path() / fmt::format("voxgrad-test-{}-{}", getpid(), count++);
  fs::create_directories(path_);
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.flush());
}

std::optional<fs::path> real_data(const std::string& name) {
  const char* const variable = std::getenv("VOXGRAD_DATA");
  const fs::path root = variable != nullptr ? fs::path(variable) : fs::path(VOX_SOURCE_DIR) / "../shared/data";
  if (fs::exists(root / name)) { return root / name; }
  WARN("skipped: no real data at '" << (root / name).string() << "' (set VOXGRAD_DATA)");
  return {};
}

}  // namespace vox::test
