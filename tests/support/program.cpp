#include "tests/support/program.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>

#include "tests/support/catch.h"

namespace vox::test {

Ended voxgrad(const std::string& arguments) {
  Ended e;
  // In a build with AddressSanitizer the program has the leaks of libraries that leak_suppressions.cpp has here.
  const std::string leaks =
      "LSAN_OPTIONS=print_suppressions=0:suppressions='" VOX_SOURCE_DIR "/tests/support/leaks.txt' ";
  std::FILE* const pipe = popen(("exec 2>&1 </dev/null; " + leaks + "'" VOX_PROGRAM "' " + arguments).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) { e.output.append(part.data(), n); }
  const int status = pclose(pipe);
  e.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  return e;
}

}  // namespace vox::test
