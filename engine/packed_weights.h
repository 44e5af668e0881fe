#pragma once

#include <vector>

#include "engine/tensor.h"
#include "kernels/conv3d.h"

namespace vox {

/// bf16 weights of convolutions in the order in which a GPU's tensor cores read them, for the forward pass and the
/// input's gradient: packed by one launch for all layers, where each convolution would pack its own twice a step. What
/// was packed stands beside a weight's values, and convolutions on this thread use it, until the values change.
class PackedWeights {
 public:
  /// Asks for the memory. weight: [O,I,K,K,K] f32, K = 3, or 1 or 2 where the stride is K and nothing is padded, on a
  /// device that runs CUDA kernels; from_data: the convolution's input is data, whose gradient nobody wants.
  void add(const Tensor& weight, bool from_data);
  /// Packs those whose values have changed.
  void refresh() const;

 private:
  std::vector<Tensor> weights_;
};

/// What stands beside a weight for this pass: bf16, or undefined where there is nothing, or values have changed since.
[[nodiscard]] Tensor packed_weight(const Tensor& weight, Conv3dPass);

}  // namespace vox
