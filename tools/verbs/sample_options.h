#pragma once

#include <filesystem>

#include "tools/run/train_options.h"
#include "tools/ui/command_line.h"

namespace vox {

// Options that say which samples a run trains on: of `train`, and of `preview`, which shows them.

void add_sample_options(Command, TrainOptions&);  ///< --patch, --foreground, --steps-per-epoch, --augment, --seed
void add_splits_options(Command, TrainOptions&);  ///< --folds, --splits

}  // namespace vox
