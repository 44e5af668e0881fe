#include "tools/run/warm_start_report.h"

#include <fmt/format.h>

#include "engine/json.h"
#include "tools/run/run_files.h"
#include "tools/ui/output.h"

namespace vox {

void report_warm_start(const WarmStart& warm, const std::string& file, RunFiles& files) {
  print_safely("begins with {} of {} tensors of {}\n", warm.taken.size(), warm.taken.size() + warm.left.size(), file);
  Json left = Json::array();
  for (const WarmStart::Left& l : warm.left) {
    print_safely("  as initialised: {}, found {}, wanted {}\n", l.name, l.found, l.wanted);
    left.push_back({{"name", l.name}, {"found", l.found}, {"wanted", l.wanted}});
  }
  files.write({{"type", "init_from"}, {"step", 0}, {"file", file}, {"taken", warm.taken}, {"left", left}});
}

}  // namespace vox
