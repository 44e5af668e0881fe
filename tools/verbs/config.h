#pragma once

#include <string>
#include <vector>

#include "tools/ui/command_line.h"

namespace vox {

/// Adds --config and --set to a verb, for its help and so that they are accepted; apply_config() acts on them.
void add_config_options(Command verb);

/// The program's arguments (argv without argv[0]) with what --config FILE.toml and --set KEY=VALUE say added as options
/// of the verb: the file is weakest, then --set in the order given, then what stands on the command line.
/// A key is a long option without its dashes, '_' may stand for '-'. Keys under [VERB] count for that verb alone, keys
/// before the first table for every verb. An array repeats the option; false leaves a flag out.
/// Throws Error: a file that cannot be read or parsed, a key that the verb does not have (the nearest one is named).
[[nodiscard]] std::vector<std::string> apply_config(Command app, const std::vector<std::string>& arguments);

}  // namespace vox
