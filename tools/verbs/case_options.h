#pragma once

#include <string>
#include <vector>

#include "tools/ui/command_line.h"

namespace vox {

// Options about the files of cases that several verbs take, spelled once.

void add_labels_option(Command, std::string& labels);             ///< --labels auto|brats2020|...
[[nodiscard]] std::vector<std::string> labels_words();            ///< what it takes
void add_layout_option(Command, std::string& layout);             ///< --layout auto|brats|nnunet|...
void add_mask_option(Command, std::string& suffix);               ///< --mask-suffix
void add_allow_option(Command, std::vector<std::string>& codes);  ///< --allow BT-011

}  // namespace vox
