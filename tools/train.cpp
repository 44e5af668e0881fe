#include "kernels/check.h"
#include "tools/commands.h"

namespace vox {

void add_train(CLI::App& app) {
  app.add_subcommand("train", "not in this build yet")->callback([] { VOX_FAIL("train: not in this build yet"); });
}

}  // namespace vox
