#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace vox {

/// Adds --config and --set to a verb, for its help and so that they are accepted; apply_config() acts on them.
void add_config_options(CLI::App& verb);

/// The program's arguments (argv without argv[0]) with what --config FILE.toml and --set KEY=VALUE say added as options
/// of the verb: the file is weakest, then --set in the order given, then what stands on the command line.
/// A key is a long option without its dashes, '_' may stand for '-'. Keys under [VERB] count for that verb alone, keys
/// before the first table for every verb. An array repeats the option; false leaves a flag out.
/// Throws Error: a file that cannot be read or parsed, a key that the verb does not have (the nearest one is named).
[[nodiscard]] std::vector<std::string> apply_config(const CLI::App& app, const std::vector<std::string>& arguments);

/// The word nearest to this one in single-letter changes; empty where none is near.
[[nodiscard]] std::string nearest(const std::string& word, const std::vector<std::string>& known);
[[nodiscard]] std::vector<std::string> long_options(const CLI::App& verb);  ///< without dashes

}  // namespace vox
