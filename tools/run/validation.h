#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/prepare/prepared_case.h"
#include "data/scoring/metrics.h"
#include "engine/arena.h"
#include "model/loss.h"
#include "model/unet3d.h"
#include "tools/run/whole_case.h"

namespace vox {

class Communicator;  // engine/ranks/communicator.h

/// Labels [N,D,H,W].
[[nodiscard]] Tensor network_labels(std::span<const std::uint8_t> labels, const std::array<std::int64_t, 5>& shape);

/// What a network predicts of a voxel from its scores there: the class with the largest, the lowest of equals; of
/// regions as class_of_regions() has it.
[[nodiscard]] std::uint8_t predicted_class(std::span<const float> scores, Targets);
/// The channel of prepared cases that pictures show: FLAIR, which shows most of a tumour, else the first.
[[nodiscard]] std::size_t shown_channel(const Recipe&);

/// The same of one case.
struct CaseValidation {
  std::string id;
  double loss = 0;
  std::array<double, kRegions.size()> dice{};
  std::array<double, kRegions.size()> trivial{};

  [[nodiscard]] double mean_dice() const { return (dice[0] + dice[1] + dice[2]) / 3; }
};
/// Told after each case that is validated here, with its logits on the CPU, f32, blocked.
using OnValidated = std::function<void(const PreparedFile&, const CaseValidation&, const Tensor& logits)>;

/// What a network does on cases it was not trained on, on the network's grid.
struct Validation {
  double loss = 0;                                ///< mean over cases
  std::array<double, kRegions.size()> dice{};     ///< WT, TC, ET: mean over cases
  std::array<double, kRegions.size()> trivial{};  ///< the same of an all-background prediction
  Confusion confusion;                            ///< voxels of all cases
  std::vector<double> loss_parts;                 ///< by term of the loss, mean over cases; none of a single term
  std::vector<CaseValidation> cases;              ///< in the order of the files

  [[nodiscard]] double mean_dice() const { return (dice[0] + dice[1] + dice[2]) / 3; }
};

/// Whole cases, by windows where such are given; the loss is then that of the windows' mean. The tensors of a forward
/// pass lie in the device's arena, as the plan of an inference says. Ranks share the cases, rank 0 has the first
/// (engine/ranks/deal.h), and all get the result of all, which does not depend on how many they are.
[[nodiscard]] Validation validate(const UNet3d&, const std::vector<std::filesystem::path>& files, const LossOptions&,
                                  const ArenaPlan& = {}, const std::optional<WindowOptions>& = {},
                                  const OnValidated& = {}, Communicator* = nullptr);

}  // namespace vox
