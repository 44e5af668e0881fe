#include "kernels/check.h"
#include "tools/commands.h"

namespace vox {

void add_predict(CLI::App& app) {
  app.add_subcommand("predict", "not in this build yet")->callback([] { VOX_FAIL("predict: not in this build yet"); });
}

}  // namespace vox
