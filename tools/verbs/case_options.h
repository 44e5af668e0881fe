#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace vox {

// Options about the files of cases that several verbs take, spelled once.

void add_labels_option(CLI::App&, std::string& labels);             ///< --labels auto|brats2020|...
void add_mask_option(CLI::App&, std::string& suffix);               ///< --mask-suffix
void add_allow_option(CLI::App&, std::vector<std::string>& codes);  ///< --allow BT-011

}  // namespace vox
