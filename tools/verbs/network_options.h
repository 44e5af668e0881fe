#pragma once

#include <set>
#include <string>

#include "tools/run/train_options.h"
#include "tools/ui/command_line.h"

namespace vox {

/// The options that say which network it is: --preset, --widths, --norm and so on.
void add_network_options(Command, TrainOptions&);

/// Options that stood on the command line or in a configuration file, by their JSON names.
[[nodiscard]] std::set<std::string> given_options(Command);

}  // namespace vox
