#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vox {

enum class Norm : std::uint8_t { none, batch, instance };
/// How the extents are halved: a max pool 2x2x2 behind a level, or a stride of 2 in the first convolution of the next.
enum class Down : std::uint8_t { max_pool, strided_conv };
/// What a channel of the head stands for. classes: one class each, of which softmax makes probabilities. regions: a
/// union of classes each, which may overlap, with a sigmoid of its own (nnU-Net's region-based training).
enum class Targets : std::uint8_t { classes, regions };
/// Where a block's dropout sits: between its two convolutions (the tutorial's place), or behind both.
enum class BlockOrder : std::uint8_t { dropout_between, dropout_last };

/// How initial weights are drawn.
///   keras    uniform in [-l,l], l = sqrt(6/fan_in) for the 3x3x3 convs (he_uniform), sqrt(6/(fan_in+fan_out)) for the
///            transposed convs and the heads (glorot_uniform); biases 0
///   torch    uniform, l = 1/sqrt(fan_in), biases too
///   kaiming  normal, deviation sqrt(2/((1+0.01^2) fan_in)), biases 0: nnU-Net's, torch.nn.init.kaiming_normal_(a=0.01)
/// Of a transposed conv torch and kaiming take for fan_in what PyTorch does: its outputs times its taps.
enum class Init : std::uint8_t { keras, torch, kaiming };

inline constexpr std::size_t kFewestLevels = 3;
inline constexpr std::size_t kMostLevels = 7;

/// A 3D U-Net. Level l has widths[l] channels at 1/2^l of the extents; the last is the bottleneck. A block is twice
///   conv 3x3x3 -> (norm) -> ReLU or leaky ReLU,
/// with dropout behind the first or the second. Up: transposed conv 2x2x2 stride 2 with bias, then a block of
/// [up, skip], which are never copied into one tensor. Head: conv 1x1x1 with bias.
struct UNetConfig {
  std::string preset;  ///< "seed", "tutorial", "nnunet", "best": which named starting point this is
  std::int64_t in_channels = 4;
  std::int64_t classes = 4;  ///< channels of the head
  Targets targets = Targets::classes;
  std::vector<std::int64_t> widths{16, 32, 64, 128, 256};  ///< three to seven; with_widths() changes them
  Norm norm = Norm::batch;
  bool norm_bias = false;     ///< a convolution has a bias though a norm follows, which takes it away again
  double negative_slope = 0;  ///< of the leaky ReLU, in [0,1); 0: ReLU
  Down down = Down::max_pool;
  /// How many decoder levels have a head whose logits the loss sees, from the full resolution on; 1: the usual head.
  /// The deepest level is that above the bottleneck: at most widths.size() - 1.
  std::int64_t supervision = 1;
  BlockOrder block_order = BlockOrder::dropout_between;
  Init init = Init::keras;
  std::vector<double> encoder_dropout{0.1, 0.1, 0.2, 0.2, 0.3};  ///< shallow to deep, bottleneck last
  std::vector<double> decoder_dropout{0.2, 0.2, 0.1, 0.1};       ///< deep to shallow
  double norm_eps = 1e-5;
  double batch_norm_momentum = 0.1;

  friend bool operator==(const UNetConfig&, const UNetConfig&) = default;
};

/// seed: 4 channels, batch norm, no bias where batch norm follows: 5,647,732 parameters. tutorial: 3 channels, no norm,
/// biases: 5,645,828. nnunet: nnU-Net's network for BraTS in patches of 128^3 (F. Isensee et al., "nnU-Net", Nature
/// Methods 2021), instance norm, leaky ReLU, strided convolutions, no dropout, supervision 4: 31,198,028 with three
/// regions. nnU-Net has a head at its deepest decoder level, too, whose loss it multiplies by 0; here there is none.
/// best: nnunet's network with seed's channels, five levels, supervision 3: 5,649,481.
/// Throws Error for another name.
[[nodiscard]] UNetConfig unet_preset(std::string_view name);

/// The same network with other channels per level. For another number of levels:
///   dropout      0.1 at the first two levels, 0.2 at the next two, 0.3 below, a decoder level as its encoder level;
///                none where the network has none
///   supervision  where there is deep supervision, every decoder level but the deepest, as nnU-Net
[[nodiscard]] UNetConfig with_widths(UNetConfig, const std::vector<std::int64_t>& widths);

/// Throws Error for a network that cannot be, saying what was got and what was wanted.
void check_config(const UNetConfig&);

/// For people, in one line: "seed: 4 channels to 4 classes; 5 levels of 16 32 64 128 256; batch norm, ReLU, max pool,
/// ...".
[[nodiscard]] std::string text_of(const UNetConfig&);

/// What the extents of an input are multiples of: 2^(levels - 1).
[[nodiscard]] constexpr std::int64_t size_divisor(std::size_t levels) { return std::int64_t{1} << (levels - 1); }
[[nodiscard]] inline std::int64_t size_divisor(const UNetConfig& c) { return size_divisor(c.widths.size()); }

}  // namespace vox
