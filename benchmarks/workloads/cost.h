#pragma once

#include <span>
#include <string_view>

#include "engine/ops.h"

namespace vox::bench {

/// Which part of an operator is timed. grad_input: everything its rule makes but what grad_weight is.
enum class Pass : std::uint8_t { forward, grad_input, grad_weight };
[[nodiscard]] std::string_view name(Pass);
[[nodiscard]] Pass pass_named(std::string_view);  ///< throws for a name that is none

/// What one pass must do at least: multiplies and adds of the direct form, two per product, whatever the algorithm does
/// (0 for what moves data and hardly computes); bytes read and written once each, and twice where a sum over all must
/// be known before the first result (batch norm). Padding channels, packed weights and scratch do not count.
struct Cost {
  double flops = 0;
  double bytes = 0;
  double flops_on_voxels = 0;  ///< those of flops whose tap is no zero of the padding: what oneDNN's benchdnn counts
};

/// Along one axis: how many pairs of an output and a tap meet a voxel of x, where outputs * kernel is all pairs.
[[nodiscard]] double taps_on_voxels(std::int64_t x, std::int64_t outputs, std::int64_t kernel, std::int64_t stride,
                                    std::int64_t padding);

/// inputs: as the operator takes them, volumes, then weights and vectors; y: its result. Zero where the pass does
/// nothing. Of a whole layer grad_input is all gradients there are, without that of a first input that wants none.
[[nodiscard]] Cost cost_of(Op, Pass, std::span<const Tensor> inputs, const Tensor& y,
                           BatchNormMode = BatchNormMode::training);

/// Is there such a pass? Weights have one of their own where convolutions have them.
[[nodiscard]] bool has_pass(Op, Pass);

}  // namespace vox::bench
