#include "kernels/check.h"
#include "tools/commands.h"

namespace vox {

void add_overlay(CLI::App& app) {
  app.add_subcommand("overlay", "not in this build yet")->callback([] { VOX_FAIL("overlay: not in this build yet"); });
}

}  // namespace vox
