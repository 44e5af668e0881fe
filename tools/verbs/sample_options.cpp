#include "tools/verbs/sample_options.h"

namespace vox {

void add_sample_options(Command app, TrainOptions& o) {
  app.option("--patch", o.patch,
             "train on patches of so many voxels along D,H,W, multiples of 16 (2^(levels - 1)), or one for all; cases "
             "of recipe native want it, those of a cube may have it. auto: the largest that fits into memory, of no "
             "more than the median case")
      .delimiter(',')
      .word("auto", "0")
      .default_text("whole cases");
  app.option(
      "--foreground", o.foreground,
      "patches: share that is made to hold tumour, by nnU-Net's rule: the last ones of a batch, at 0.33 one of 2");
  app.option("--steps-per-epoch", o.steps_per_epoch,
             "steps of an epoch, whatever the number of cases; 0: one pass over them");
  app.option(
      "--augment", o.augment,
      "rot, flip, shift, intensity, noise joined by ','; or all, none; or nnunet, with settings of its steps behind "
      "it: nnunet,rotate=15@0.3,scale=0.8..1.25,gamma=off (docs/augmentation.md)");
  app.option("--seed", o.seed, "of weights, order, augmentation and dropout").not_negative();
}

void add_splits_options(Command app, TrainOptions& o) {
  app.option("--folds", o.folds, "how many folds are made where no --splits is given");
  app.option("--splits", o.splits, "JSON list of {\"train\": [ids], \"val\": [ids]}");
}

}  // namespace vox
