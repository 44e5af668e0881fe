#include "kernels/check.h"
#include "tools/commands.h"

namespace vox {

void add_synth(CLI::App& app) {
  app.add_subcommand("synth", "not in this build yet")->callback([] { VOX_FAIL("synth: not in this build yet"); });
}

}  // namespace vox
