#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/ui/command_line.h"

namespace vox {

// What is made of the commands' own texts beside --help: man pages and shell completion.

/// A man page in roff, section 1: of the program (VOXGRAD(1)), or of one of its verbs (VOXGRAD-CHECK(1)).
/// version: "voxgrad 0.1.0".
[[nodiscard]] std::string man_page(const CommandLine& program, const std::string& version);
[[nodiscard]] std::string man_page(const CommandLine& program, Command verb, const std::string& version);

/// A script that completes verbs, options, words that an option takes, and names of files.
/// shell: bash (sourced, 4 or later), zsh (a file _voxgrad in $fpath, or sourced), fish (sourced).
[[nodiscard]] std::string completion_script(Command program, std::string_view shell);

}  // namespace vox
