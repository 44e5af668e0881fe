#pragma once

#include <filesystem>
#include <string>

#include "engine/safetensors.h"
#include "model/optimizer.h"
#include "model/unet3d.h"
#include "model/weight_average.h"

namespace vox {

// A checkpoint is a safetensors file. Tensors: every parameter and running statistic under its state-dict name, with
// "<norm>.num_batches_tracked" so that PyTorch's load_state_dict takes it as it is; with an optimiser also
// "adam.m.<name>" and "adam.v.<name>", or "sgd.momentum.<name>", and with an average of the weights "ema.<name>".
// Metadata: "format", "unet" (the configuration as JSON), "adam_steps" or "sgd_steps", and whatever the caller adds:
// the state of its run, the recipe its data was prepared with.

inline constexpr const char* kCheckpointFormat = "voxgrad-checkpoint-1";
/// A file that says to have done more steps, samples or epochs is damaged: 2^53, up to which a double is exact.
inline constexpr std::int64_t kMostSteps = std::int64_t{1} << 53U;

[[nodiscard]] std::string to_json(const UNetConfig&);
/// Throws DataError naming `file` when the text is not what to_json() writes.
[[nodiscard]] UNetConfig unet_config_from_json(const std::string& text, const std::string& file);

/// As an AtomicFile: after a crash there is the old checkpoint or the new one.
void save_checkpoint(const std::filesystem::path&, const UNet3d&, const Optimizer* optimizer, Metadata extra,
                     const WeightAverage* average = nullptr);

class CheckpointFile {
 public:
  /// Throws DataError when the file is no safetensors file or no checkpoint, saying what was found and what was wanted.
  explicit CheckpointFile(const std::filesystem::path&);

  [[nodiscard]] const UNetConfig& config() const { return config_; }
  [[nodiscard]] const Metadata& metadata() const { return file_.metadata(); }
  [[nodiscard]] bool has_optimizer() const;

  /// Every tensor must be there with the net's shape; f32 and f64 are converted. Throws NonFiniteError for a number
  /// that is not finite, or not in the network's type, and DataError for a variance below 0. All are checked before the
  /// first changes.
  void load(UNet3d&) const;
  void load(Optimizer&) const;
  void load(WeightAverage&) const;

 private:
  void load(const std::vector<NamedTensor>&) const;

  std::filesystem::path path_;
  SafetensorsFile file_;
  UNetConfig config_;
};

}  // namespace vox
