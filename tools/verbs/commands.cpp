#include "tools/verbs/commands.h"

#include <fmt/core.h>

#include "engine/build.h"
#include "kernels/cuda/runtime.h"
#include "tools/verbs/config.h"

namespace vox {

void add_verbs(Command app) {
  for (auto* const add : {add_doctor, add_info, add_plan, add_synth, add_check, add_convert, add_prepare, add_preview,
                          add_train, add_predict, add_evaluate, add_compare, add_plot, add_tune, add_overlay,
                          add_report, add_export, add_import, add_gradcheck}) {
    add(app);
  }
  for (const Command verb : app.commands()) { add_config_options(verb); }
#ifdef VOX_BENCH
  add_bench(app);  // has verbs of its own, and no options that a file could set
#endif
}

std::string_view version() { return VOX_VERSION; }

std::string version_text() {
  return fmt::format("{} (commit {}, {}, {}, CUDA {})", version(), commit(), build_type(), compiler(),
                     cuda::built() ? "on" : "off");
}

}  // namespace vox
