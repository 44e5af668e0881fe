#pragma once

#include <filesystem>

#include "tools/run/train_options.h"
#include "tools/ui/command_line.h"

namespace vox {

// Options that say which samples a run trains on: of `train`, and of `preview`, which shows them.

void add_sample_options(Command, TrainOptions&);  ///< --patch, --foreground, --steps-per-epoch, --augment, --seed
void add_fold_options(Command, TrainOptions&);    ///< --fold, --folds, --splits

/// What a run was started with, from its last checkpoint. Throws DataError naming the file.
[[nodiscard]] TrainOptions options_of_run(const std::filesystem::path& run);

}  // namespace vox
