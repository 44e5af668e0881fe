#include "tests/support/python.h"

#include <fmt/core.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "tests/support/catch.h"

namespace vox::test {

std::optional<Ended> python(const std::string& script, const std::string& arguments) {
  constexpr int kSkipped = 77;
  std::string program = VOX_SOURCE_DIR "/build/python/bin/python";
  const char* const named = std::getenv("VOXGRAD_TEST_PYTHON");
  if (!std::filesystem::exists(program)) { program = named != nullptr ? named : ""; }
  if (program.empty()) {
    fmt::print("skipped: no build/python, which tools/setup.sh --tests makes, and no VOXGRAD_TEST_PYTHON\n");
    return {};
  }
  const std::string line =
      fmt::format("exec 2>&1 </dev/null; '{}' -B '{}/{}' {}", program, VOX_SOURCE_DIR, script, arguments);
  std::FILE* const pipe = popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Ended e;
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) { e.output.append(part.data(), n); }
  const int status = pclose(pipe);
  e.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  if (e.code == kSkipped) {
    fmt::print("skipped: {}\n", e.output);
    return {};
  }
  return e;
}

}  // namespace vox::test
