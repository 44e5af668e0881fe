#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops.h"
#include "engine/packed_weights.h"
#include "model/unet_config.h"

namespace vox {

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
  /// activations; parameters are in its accumulator type. Throws Error for a network that cannot be (check_config()).
  UNet3d(const UNetConfig&, DType dtype, std::optional<std::uint64_t> seed, Device = Device::cpu);

  /// x: [N,in_channels,D,H,W], extents divisible by size_divisor(config)   logits: [N,classes,D,H,W]
  [[nodiscard]] Tensor forward(const Tensor& x, const ForwardOptions&) const;
  /// The logits of every head, for a loss with deep supervision: entry i is [N,classes,D/2^i,H/2^i,W/2^i], entry 0
  /// what forward() gives. config.supervision entries.
  [[nodiscard]] std::vector<Tensor> forward_all(const Tensor& x, const ForwardOptions&) const;

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
    Tensor bias;   ///< undefined where a norm follows, unless config.norm_bias
    Tensor gamma;  ///< undefined without norm, like beta
    Tensor beta;
    Tensor running_mean;  ///< of batch norm alone, like running_var
    Tensor running_var;
    std::int64_t stride = 1;
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

  struct Draw;  ///< how a parameter's values are drawn

  [[nodiscard]] Tensor parameter(const std::string& name, const Shape&, const Draw&);
  /// A weight [_,fan_in,K,K,K] and its bias; keras_limit is that of the weight.
  [[nodiscard]] Conv make_conv(const std::string& name, const Shape& weight, std::int64_t out, double keras_limit);
  [[nodiscard]] Conv make_head(const std::string& name, std::int64_t in);
  [[nodiscard]] Tensor filled(const Shape&, double value) const;
  [[nodiscard]] ConvNorm make_conv_norm(const std::string& conv, const std::string& norm, std::int64_t in,
                                        std::int64_t out);
  [[nodiscard]] Block make_block(const std::string& name, std::int64_t in, std::int64_t out, double dropout);
  void make_encoder();
  void make_decoder();
  void pack_weights();

  void check_input(const Tensor& x) const;
  /// Of [x, skip], or of x where there is no skip; both are released as soon as the convolution has read them.
  [[nodiscard]] Tensor layer(Tensor x, Tensor skip, const ConvNorm&, UNetMode, const DropoutOptions&) const;
  [[nodiscard]] Tensor run_block(Tensor x, Tensor skip, const Block&, std::uint32_t place, const ForwardOptions&) const;
  /// The logits of the first so many heads, full resolution first.
  [[nodiscard]] std::vector<Tensor> run(const Tensor& x, std::size_t heads, const ForwardOptions&) const;

  UNetConfig config_;
  DType dtype_;
  Device device_;
  std::optional<std::uint64_t> seed_;
  Fusion fusion_ = Fusion::on;
  std::vector<NamedTensor> parameters_;
  std::vector<NamedTensor> buffers_;
  std::vector<Block> encoder_;  ///< shallow to deep; the last one is the bottleneck
  std::vector<Conv> up_;        ///< deep to shallow
  std::vector<Block> decoder_;  ///< deep to shallow
  std::vector<Conv> heads_;     ///< [i] at 1/2^i of the extents, config.supervision of them
  PackedWeights packed_;        ///< on a GPU, in bf16, where gradients are recorded
};

}  // namespace vox
