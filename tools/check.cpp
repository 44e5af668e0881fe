#include "kernels/check.h"
#include "tools/commands.h"

namespace vox {

void add_check(CLI::App& app) {
  app.add_subcommand("check", "not in this build yet")->callback([] { VOX_FAIL("check: not in this build yet"); });
}

}  // namespace vox
