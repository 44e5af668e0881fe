#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "tools/run/segmenter.h"

namespace vox {

/// One trained network, or several of one recipe whose probabilities are averaged: runs, or folds of one run.
///   p[k,v] = 1/M sum_m p_m[k,v], summed in f32 in the order of the networks
class Ensemble {
 public:
  /// Run folders or checkpoints, at least one. Throws DataError for what is none, and for networks that differ in
  /// recipe, modalities, size or classes, naming both and what each has.
  explicit Ensemble(const std::vector<std::filesystem::path>& runs_or_files, Device = Device::cpu, Fusion = Fusion::on);

  [[nodiscard]] const std::vector<Segmenter>& members() const { return members_; }
  [[nodiscard]] const Recipe& recipe() const { return members_.front().recipe(); }
  [[nodiscard]] const UNetConfig& config() const { return members_.front().config(); }  ///< of the first

  void set_windows(const WindowOptions&, const OnWindow& = {});  ///< of every network
  /// Plans the memory for cases up to this extent and takes it. Networks run one after the other: their weights are all
  /// there, what a forward pass needs is there once. Throws MemoryError.
  void reserve(const MemoryLimit&, const Extent3& largest);

  enum class Mirror : std::uint8_t { off, all_axes };
  /// Logits are those of the only network; of several there are none.
  [[nodiscard]] Segmenter::Output run(std::span<const float> image, const Extent3&, Mirror = Mirror::off) const;

 private:
  std::vector<Segmenter> members_;
};

}  // namespace vox
