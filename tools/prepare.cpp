#include "kernels/check.h"
#include "tools/commands.h"

namespace vox {

void add_prepare(CLI::App& app) {
  app.add_subcommand("prepare", "not in this build yet")->callback([] { VOX_FAIL("prepare: not in this build yet"); });
}

}  // namespace vox
