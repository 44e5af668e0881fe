#include "kernels/check.h"
#include "tools/commands.h"

namespace vox {

void add_doctor(CLI::App& app) {
  app.add_subcommand("doctor", "not in this build yet")->callback([] { VOX_FAIL("doctor: not in this build yet"); });
}

}  // namespace vox
