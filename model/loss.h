#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "model/unet3d.h"

namespace vox {

enum class LossTerm : std::uint8_t { dice, focal, cross_entropy, binary_cross_entropy };

struct LossOptions {
  std::vector<LossTerm> terms{LossTerm::dice, LossTerm::focal};  ///< added up
  Targets targets = Targets::classes;                            ///< regions: of BraTS, by dice and bce alone
  std::vector<double> class_weights{};                           ///< [classes]; empty: all 1
  Background background = Background::include;
  Background dice_background = Background::include;  ///< of the Dice term alone: DiceFocalLossOptions
  Sums sums = Sums::batch;
  FocalMean focal_mean = FocalMean::voxels_and_classes;
};

/// "dice", "focal", "ce", "bce" joined by "+": "dice+focal". Throws Error naming the part that is none of them.
[[nodiscard]] std::vector<LossTerm> loss_terms(const std::string&);
[[nodiscard]] std::string loss_name(const std::vector<LossTerm>&);

/// The sum of the terms, each as in engine/ops.h, in one operator that stores no probabilities.   logits: [N,C,D,H,W],
/// of regions WT, TC, ET where those are the targets   labels: u8 classes [N,D,H,W]   loss: [1]
[[nodiscard]] Tensor segmentation_loss(const Tensor& logits, const Tensor& labels, const LossOptions&);

/// Deep supervision: sum over i of weights[i] * segmentation_loss(logits[i], shrink_labels(labels, 2^i)), with the
/// supervision_weights() of as many. logits[i]: [N,C,D/2^i,H/2^i,W/2^i], those of UNet3d::forward_all(). Of one alone
/// the loss is its own.   C.-Y. Lee et al., "Deeply-supervised nets", AISTATS 2015; the weights are nnU-Net's
[[nodiscard]] Tensor segmentation_loss(std::span<const Tensor> logits, const Tensor& labels, const LossOptions&);
/// 2^-i / sum of these, i from 0: 8/15, 4/15, 2/15, 1/15 of four.
[[nodiscard]] std::vector<double> supervision_weights(std::size_t heads);

}  // namespace vox
