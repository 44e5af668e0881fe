#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "data/prepare/prepared_case.h"
#include "engine/memory_limits.h"
#include "model/step_plan.h"
#include "model/unet3d.h"

namespace vox {

/// A trained network and the recipe its input is prepared with.
class Segmenter {
 public:
  /// A run folder (its best.safetensors, or else its last.safetensors) or a checkpoint file. Throws DataError saying
  /// what was found and what was wanted.
  explicit Segmenter(const std::filesystem::path& run_or_file, Device = Device::cpu, Fusion = Fusion::on);

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[nodiscard]] const Recipe& recipe() const { return recipe_; }
  [[nodiscard]] const UNetConfig& config() const { return net_->config(); }

  struct Output {
    std::vector<float> logits;         ///< [classes,D,H,W] of the network's grid
    std::vector<float> probabilities;  ///< their softmax
  };
  /// Plans the memory of run() and takes it. Throws MemoryError when it does not fit beside what else a case needs.
  void reserve(const MemoryLimit&);

  /// image: [C,D,H,W] as the recipe prepares it. Throws NonFiniteError when a logit is not finite.
  [[nodiscard]] Output run(std::span<const float> image) const;
  /// The same, but the probabilities are the mean over the eight mirror images along D, H and W, each segmented on its
  /// own and mirrored back (nnU-Net's test-time augmentation). Takes eight times as long.
  [[nodiscard]] Output run_mirrored(std::span<const float> image) const;

 private:
  /// The logits on the network's device; throws NonFiniteError.
  [[nodiscard]] Tensor logits(std::span<const float> image) const;

  std::filesystem::path file_;
  Recipe recipe_;
  std::unique_ptr<UNet3d> net_;
  Fusion fusion_;
  StepPlan plan_;  ///< of nothing until reserve()
};

}  // namespace vox
