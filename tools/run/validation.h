#pragma once

#include <array>
#include <filesystem>
#include <vector>

#include "data/prepare/prepared_case.h"
#include "data/scoring/metrics.h"
#include "engine/arena.h"
#include "model/loss.h"
#include "model/unet3d.h"

namespace vox {

/// An image [C,D,H,W] of a prepared case as the network's input [1,C,D,H,W].
[[nodiscard]] Tensor network_input(std::span<const float> image, const std::array<std::int64_t, 5>& shape, DType);
/// Labels [N,D,H,W].
[[nodiscard]] Tensor network_labels(std::span<const std::uint8_t> labels, const std::array<std::int64_t, 5>& shape);

/// The logits of a network on a device, in f32 on the CPU, blocked.
[[nodiscard]] Tensor scores_on_cpu(const Tensor& logits);

/// What a network does on cases it was not trained on, on the network's grid.
struct Validation {
  double loss = 0;                                ///< mean over cases
  std::array<double, kRegions.size()> dice{};     ///< WT, TC, ET: mean over cases
  std::array<double, kRegions.size()> trivial{};  ///< the same of an all-background prediction
  Confusion confusion;                            ///< voxels of all cases

  [[nodiscard]] double mean_dice() const { return (dice[0] + dice[1] + dice[2]) / 3; }
};

/// The tensors of each case lie in the device's arena, as the plan of an inference says.
[[nodiscard]] Validation validate(const UNet3d&, const std::vector<std::filesystem::path>& files, const LossOptions&,
                                  const ArenaPlan& = {});

}  // namespace vox
