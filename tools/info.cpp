#include "kernels/check.h"
#include "tools/commands.h"

namespace vox {

void add_info(CLI::App& app) {
  app.add_subcommand("info", "not in this build yet")->callback([] { VOX_FAIL("info: not in this build yet"); });
}

}  // namespace vox
