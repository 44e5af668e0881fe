#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops.h"
#include "engine/packed_weights.h"

namespace vox {

inline constexpr std::size_t kLevels = 5;  ///< four encoder levels and the bottleneck

enum class Norm : std::uint8_t { none, batch };
/// What a channel of the head stands for. classes: one class each, of which softmax makes probabilities. regions: a
/// union of classes each, which may overlap, with a sigmoid of its own (nnU-Net's region-based training).
enum class Targets : std::uint8_t { classes, regions };
/// Where a block's dropout sits: between its two convolutions (the tutorial's place), or behind both.
enum class BlockOrder : std::uint8_t { dropout_between, dropout_last };

/// How far from 0 initial weights lie, each uniform in [-l,l]. keras: l = sqrt(6/fan_in) for the 3x3x3 convs
/// (he_uniform), sqrt(6/(fan_in+fan_out)) for the transposed convs and the head (glorot_uniform), biases 0. torch: l =
/// 1/sqrt(fan_in), biases too, where PyTorch counts a transposed conv's outputs as its fan_in.
enum class Init : std::uint8_t { keras, torch };

/// The fixed 3D U-Net. Level l has widths[l] channels at 1/2^l of the extents. A block is
///   conv 3x3x3 -> (batch norm) -> ReLU -> dropout -> conv 3x3x3 -> (batch norm) -> ReLU.
/// Down: max pool 2x2x2. Up: transposed conv 2x2x2 stride 2 with bias, then a block of [up, skip], which are never
/// copied into one tensor. Head: conv 1x1x1 with bias.
struct UNetConfig {
  std::string preset;  ///< "tutorial", "seed": which named starting point this is
  std::int64_t in_channels = 4;
  std::int64_t classes = 4;  ///< channels of the head
  Targets targets = Targets::classes;
  std::array<std::int64_t, kLevels> widths{16, 32, 64, 128, 256};
  Norm norm = Norm::batch;
  BlockOrder block_order = BlockOrder::dropout_between;
  Init init = Init::keras;
  std::array<double, kLevels> encoder_dropout{0.1, 0.1, 0.2, 0.2, 0.3};  ///< shallow to deep, bottleneck last
  std::array<double, kLevels - 1> decoder_dropout{0.2, 0.2, 0.1, 0.1};   ///< deep to shallow
  double batch_norm_eps = 1e-5;
  double batch_norm_momentum = 0.1;

  friend bool operator==(const UNetConfig&, const UNetConfig&) = default;
};

/// `tutorial`: 3 channels, no norm, biases: 5,645,828 parameters. `seed`: 4 channels, batch norm, no bias where batch
/// norm follows: 5,647,732 parameters. Throws Error for another name.
[[nodiscard]] UNetConfig unet_preset(std::string_view name);

struct NamedTensor {
  std::string name;  ///< as in the PyTorch module of tests/golden: "encoder.0.conv1.weight"
  Tensor tensor;
};

/// Training uses the batch's statistics and drops elements; inference the running statistics and drops none.
enum class UNetMode : std::uint8_t { training, inference };
enum class Dropout : std::uint8_t { on, off };
/// Fused operators, or the plain ones they are made of: the same numbers but for rounding, the same dropout masks.
enum class Fusion : std::uint8_t { on, off };
[[nodiscard]] Fusion fusion_named(std::string_view name);  ///< "on", "off"; throws Error for another name

struct ForwardOptions {
  UNetMode mode = UNetMode::inference;
  Dropout dropout = Dropout::on;  ///< in training; off is for comparisons
  std::uint64_t seed = 0;         ///< dropout masks are a function of seed, step, micro_batch and block
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
  const std::uint32_t* step_there = nullptr;  ///< DropoutOptions::step_there
};

/// Instead of a seed: weights are whatever their memory holds, for a network that is loaded or only planned.
inline constexpr std::nullopt_t kNoWeights = std::nullopt;

class UNet3d {
 public:
  /// Weights as config.init says; gamma 1, beta 0. Counter-based: the same on every device. dtype: f32, f64 or bf16
  /// activations; parameters are in its accumulator type.
  UNet3d(const UNetConfig&, DType dtype, std::optional<std::uint64_t> seed, Device = Device::cpu);

  /// x: [N,in_channels,D,H,W], extents divisible by 16   logits: [N,classes,D,H,W]
  [[nodiscard]] Tensor forward(const Tensor& x, const ForwardOptions&) const;

  void set_fusion(Fusion fusion) { fusion_ = fusion; }  ///< on at first
  [[nodiscard]] Fusion fusion() const { return fusion_; }

  [[nodiscard]] const UNetConfig& config() const { return config_; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] Device device() const { return device_; }
  /// What the optimiser changes, in the order of the state dict.
  [[nodiscard]] const std::vector<NamedTensor>& parameters() const { return parameters_; }
  /// Running statistics, changed by a forward pass in training.
  [[nodiscard]] const std::vector<NamedTensor>& buffers() const { return buffers_; }
  [[nodiscard]] std::int64_t parameter_count() const;

 private:
  struct ConvNorm {
    Tensor weight;
    Tensor bias;   ///< undefined where batch norm follows
    Tensor gamma;  ///< undefined without batch norm, like the rest
    Tensor beta;
    Tensor running_mean;
    Tensor running_var;
  };
  struct Block {
    ConvNorm first;
    ConvNorm second;
    double dropout = 0;
  };
  struct Conv {
    Tensor weight;
    Tensor bias;
  };

  [[nodiscard]] Tensor parameter(const std::string& name, const Shape&, double limit);
  /// A weight and its bias; keras_limit is that of the weight.
  [[nodiscard]] Conv make_conv(const std::string& name, const Shape& weight, std::int64_t out, double keras_limit);
  [[nodiscard]] Tensor filled(const Shape&, double value) const;
  [[nodiscard]] ConvNorm make_conv_norm(const std::string& conv, const std::string& norm, std::int64_t in,
                                        std::int64_t out);
  [[nodiscard]] Block make_block(const std::string& name, std::int64_t in, std::int64_t out, double dropout);
  /// Of [x, skip], or of x where there is no skip; both are released as soon as the convolution has read them.
  [[nodiscard]] Tensor layer(Tensor x, Tensor skip, const ConvNorm&, UNetMode, const DropoutOptions&) const;
  [[nodiscard]] Tensor run_block(Tensor x, Tensor skip, const Block&, std::uint32_t place, const ForwardOptions&) const;

  UNetConfig config_;
  DType dtype_;
  Device device_;
  std::optional<std::uint64_t> seed_;
  Fusion fusion_ = Fusion::on;
  std::vector<NamedTensor> parameters_;
  std::vector<NamedTensor> buffers_;
  std::array<Block, kLevels> encoder_;      ///< the last one is the bottleneck
  std::array<Conv, kLevels - 1> up_;        ///< deep to shallow
  std::array<Block, kLevels - 1> decoder_;  ///< deep to shallow
  Conv head_;
  PackedWeights packed_;  ///< on a GPU, in bf16, where gradients are recorded
};

}  // namespace vox
