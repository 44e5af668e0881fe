#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/run/train_options.h"

namespace vox {

/// What a preset says of the training beside its network: options by their names on the command line, and values as
/// they would be written there. Empty for `seed` and `tutorial`, whose training is what the options are by default.
[[nodiscard]] const std::vector<std::pair<std::string_view, std::string_view>>& preset_options(std::string_view preset);

/// Options with what their preset says where `given`, the JSON names of options that somebody set, has nothing. A given
/// --size stands for --patch, and of --targets classes the loss is dice+ce, which is nnU-Net's without regions. said:
/// what was taken, "targets regions, loss dice+bce, ...".
struct PresetApplied {
  TrainOptions options;
  std::string said;
};
[[nodiscard]] PresetApplied apply_preset(const TrainOptions&, const std::set<std::string>& given);

}  // namespace vox
