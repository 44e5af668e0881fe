#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "data/prepare/prepared_case.h"
#include "engine/memory_limits.h"
#include "model/step_plan.h"
#include "model/unet3d.h"
#include "tools/run/whole_case.h"

namespace vox {

/// A trained network and the recipe its input is prepared with.
class Segmenter {
 public:
  /// A run folder (its best.safetensors, or else its last.safetensors) or a checkpoint file. Throws DataError saying
  /// what was found and what was wanted.
  explicit Segmenter(const std::filesystem::path& run_or_file, Device = Device::cpu, Fusion = Fusion::on);

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[nodiscard]] const Recipe& recipe() const { return recipe_; }
  [[nodiscard]] const UNet3d& network() const { return *net_; }
  [[nodiscard]] const UNetConfig& config() const { return net_->config(); }
  [[nodiscard]] Device device() const { return net_->device(); }

  /// How cases go through the network: nothing for those of a recipe that gives cubes, which go whole; otherwise by
  /// windows, at first of the extent of the patches that it was trained on.
  [[nodiscard]] const std::optional<WindowOptions>& windows() const { return windows_; }

  struct Output {
    LargeVector<float> logits;         ///< [classes,D,H,W] of the prepared case; of windows their weighted mean
    LargeVector<float> probabilities;  ///< their softmax; of regions, sigmoids
  };
  /// Plans the memory of run() for cases up to this extent, and takes what tensors need. Throws MemoryError when it
  /// does not fit beside what else such a case needs, naming the largest windows that do. Returns what weights take,
  /// which stay.
  std::size_t reserve(const MemoryLimit&, const Extent3& largest);

  /// image: [C,D,H,W] of size, as the recipe prepares it. Throws NonFiniteError when a logit is not finite.
  [[nodiscard]] Output run(std::span<const float> image, const Extent3& size) const;
  /// The same, but the probabilities are the mean over the eight mirror images along D, H and W, each segmented on its
  /// own and mirrored back (nnU-Net's test-time augmentation). Takes eight times as long.
  [[nodiscard]] Output run_mirrored(std::span<const float> image, const Extent3& size) const;

  /// From now on cases go through the network by windows; whole before.
  void set_windows(const WindowOptions&, OnWindow = {});

 private:
  using Wants = std::function<std::size_t(const StepPlan&, const std::optional<WindowOptions>&)>;
  [[nodiscard]] StepRequest request() const;
  /// "; the largest windows that fit: ..." for a MemoryError.
  [[nodiscard]] std::string smaller_windows(std::size_t limit, const Wants&) const;
  [[nodiscard]] LargeVector<float> logits(std::span<const float> image, const Extent3& size) const;

  std::filesystem::path file_;
  Recipe recipe_;
  std::unique_ptr<UNet3d> net_;
  Fusion fusion_;
  std::optional<WindowOptions> windows_;
  OnWindow on_window_;
  StepPlan plan_;  ///< of nothing until reserve()
  bool planned_ = false;
};

}  // namespace vox
