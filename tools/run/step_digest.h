#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/unet3d.h"
#include "tools/run/train_options.h"

namespace vox {

/// How often a run's log gets a digest. Every so many steps, counted from the run's first, and after the last step of
/// every epoch; 0: after that alone.
struct DigestCadence {
  bool on = true;
  std::int64_t every = 1;
  [[nodiscard]] bool is_due(std::int64_t step, bool last_of_epoch) const {
    return on && (last_of_epoch || (every > 0 && step % every == 0));
  }
};

/// --digest N, off, or auto: on the CPU the least N whose digests take about 1 % of the steps' time or less, parameters
/// over 16 times the voxels of a step (docs/run-folder.md has the measurement), on other devices 0, where the weights
/// are copied for a checkpoint anyway. A function of the options: the same for the same run anywhere. Throws Error for
/// another word.
[[nodiscard]] DigestCadence digest_cadence(const TrainOptions&, Device, std::int64_t parameters);

/// Of the state a step left: XXH3's 64 bits, in 16 hexadecimal digits, of the loss as an f64 and then the bytes of all
/// parameters and running statistics, in the order of the state dict. On a GPU it waits for the step. Two runs whose
/// digests after a step are equal are the same to the bit there, whatever the number of threads.
[[nodiscard]] std::string step_digest(double loss, const UNet3d&);

}  // namespace vox
