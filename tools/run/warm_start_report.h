#pragma once

#include <string>

#include "model/warm_start.h"

namespace vox {

class RunFiles;  // tools/run/run_files.h

/// On screen, and as a line of the run's log: {"type": "init_from", "step": 0, "file", "taken": [names], "left":
/// [{"name", "found", "wanted"}]}.
void report_warm_start(const WarmStart&, const std::string& file, RunFiles&);

}  // namespace vox
