#include "tools/verbs/bench.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "kernels/base/check.h"
#include "tools/verbs/commands.h"

namespace vox {

void add_bench(Command app) {
  app.command("bench", "Measure kernels, steps, loading and start, beside other software");
}

void run_bench(int argc, char** argv) {
  namespace fs = std::filesystem;
  std::string name = "voxgrad bench";  // argv[0]: what its help calls itself
  std::vector<char*> arguments{name.data()};
  arguments.insert(arguments.end(), argv + 2, argv + argc);
  arguments.push_back(nullptr);
  std::error_code none;  // where /proc is not mounted
  const fs::path own = fs::read_symlink("/proc/self/exe", none);
  for (const fs::path& beside : {own, fs::path(argv[0])}) {
    if (beside.has_parent_path()) { execv((beside.parent_path() / "vox_bench").c_str(), arguments.data()); }
  }
  execvp("vox_bench", arguments.data());
  VOX_FAIL(
      "bench: the program vox_bench, beside this one or in PATH, cannot be run ({}); `cmake --build BUILD --target "
      "vox_bench` makes it",
      std::generic_category().message(errno));
}

}  // namespace vox
