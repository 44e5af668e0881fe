#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/conv3d.h"
#include "model/unet3d.h"

namespace vox {

/// One layer of the network at one input size: what it costs. Counts for the whole batch.
struct LayerCost {
  std::string name;  ///< "encoder.0.conv1"
  std::string kind;  ///< "conv 3x3x3", "batch norm", "max pool", ...
  Shape output;      ///< [N,C,D,H,W]
  std::int64_t parameters;
  double forward_flop;        ///< multiplies and adds of the direct form
  std::int64_t output_bytes;  ///< stored, padding channels included
  /// Of a convolution: the conv3d it is, or of kind "conv transpose 2x2x2" the one whose adjoint it is.
  std::optional<Conv3dGeometry> convolution;
};

/// Every layer in the order it runs, for input [batch, in_channels, size, size, size] in a storage type; coarser heads,
/// "heads.1" and so on, run in training alone.
[[nodiscard]] std::vector<LayerCost> unet_summary(const UNetConfig&, std::int64_t batch, std::int64_t size, DType);

}  // namespace vox
