#pragma once

#include <string>

#include "engine/safetensors.h"
#include "model/unet3d.h"

namespace vox {

// Opsets whose operators are those that the graph is made of: Conv, ConvTranspose, BatchNormalization,
// InstanceNormalization or ReduceMean and arithmetic, Relu, LeakyRelu, MaxPool, Concat, Softmax and Sigmoid.
inline constexpr int kOldestOpset = 13;
inline constexpr int kNewestOpset = 22;
inline constexpr int kUsualOpset =
    17;  ///< what ONNX Runtime 1.12, TensorRT 8.5 and OpenVINO 2022.3 take, and later ones

/// How an instance norm is written. means: mean and variance as means of means along W, H and D, in sums of a few
/// hundred numbers. one: ONNX's InstanceNormalization, which GPUs' runtimes have a kernel for; that of ONNX Runtime on
/// the CPU adds up all voxels of a channel in f32 one after the other, and loses digits in large volumes
/// (docs/interchange.md).
enum class OnnxInstanceNorm : std::uint8_t { means, one };

struct OnnxOptions {
  int opset = kUsualOpset;
  std::string version;  ///< of the program, for "producer_version"
  Metadata metadata;    ///< for people and programs that read the file
  OnnxInstanceNorm instance_norm = OnnxInstanceNorm::means;
};

/// A network for inference as the bytes of an ONNX model, f32, with the names of its tensors. Batch and extents are
/// open; the extents are multiples of size_divisor(config).
///   input   "image"          [batch, in_channels, depth, height, width]
///   output  "probabilities"  [batch, classes, depth, height, width]: softmax over classes, of regions sigmoids
///           "logits"         what they are made of
/// Norms are in their form for inference, batch norm with its running statistics; there is no dropout, and of the heads
/// only that of the full resolution. Throws Error for an opset that is none of the above, and for a network that
/// protobuf cannot hold: 2 GiB.
[[nodiscard]] std::string onnx_model(const UNet3d&, const OnnxOptions&);

}  // namespace vox
