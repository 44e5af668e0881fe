#include "kernels/check.h"
#include "tools/commands.h"

namespace vox {

void add_evaluate(CLI::App& app) {
  app.add_subcommand("evaluate", "not in this build yet")->callback([] {
    VOX_FAIL("evaluate: not in this build yet");
  });
}

}  // namespace vox
