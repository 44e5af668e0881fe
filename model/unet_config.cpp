#include "model/unet_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "kernels/base/check.h"

namespace vox {
namespace {

/// Of a level, in and out: what a file may claim before memory is asked for. No size of a tensor overflows: 27 * 2^17 *
/// 2^16 values of 8 bytes are below 2^41.
constexpr std::int64_t kMostChannels = 65'536;

double usual_dropout(std::size_t level) {
  if (level < 2) { return 0.1; }
  return level < 4 ? 0.2 : 0.3;
}

UNetConfig nnunet() {
  UNetConfig c;
  c.classes = 3;
  c.targets = Targets::regions;
  c.widths = {32, 64, 128, 256, 320, 320};
  c.norm = Norm::instance;
  c.norm_bias = true;
  c.negative_slope = 0.01;
  c.down = Down::strided_conv;
  c.supervision = 4;
  c.init = Init::kaiming;
  c.encoder_dropout.assign(c.widths.size(), 0);
  c.decoder_dropout.assign(c.widths.size() - 1, 0);
  return c;
}

}  // namespace

UNetConfig unet_preset(std::string_view name) {
  UNetConfig c;
  if (name == "tutorial") {
    c.in_channels = 3;
    c.norm = Norm::none;
  } else if (name == "nnunet") {
    c = nnunet();
  } else if (name == "best") {
    c = with_widths(nnunet(), c.widths);
  } else {
    VOX_CHECK(name == "seed", "preset '{}' is none of: seed, tutorial, nnunet, best", name);
  }
  c.preset = name;
  return c;
}

UNetConfig with_widths(UNetConfig c, const std::vector<std::int64_t>& widths) {
  const std::size_t levels = widths.size();
  const bool as_deep = levels == c.widths.size();
  c.widths = widths;
  if (as_deep || levels < 2) { return c; }
  const bool drops = std::ranges::any_of(c.encoder_dropout, [](double p) { return p > 0; });
  c.encoder_dropout.assign(levels, 0);
  c.decoder_dropout.assign(levels - 1, 0);
  for (std::size_t l = 0; drops && l < levels; ++l) {
    c.encoder_dropout[l] = usual_dropout(l);
    if (l + 1 < levels) { c.decoder_dropout[levels - 2 - l] = usual_dropout(l); }
  }
  if (c.supervision > 1) { c.supervision = static_cast<std::int64_t>(std::max<std::size_t>(levels - 2, 1)); }
  return c;
}

void check_config(const UNetConfig& c) {
  const std::size_t levels = c.widths.size();
  VOX_CHECK(c.in_channels >= 1 && c.classes >= (c.targets == Targets::regions ? 1 : 2),
            "unet3d: {} channels in and {} classes, wants >= 1 and >= 2", c.in_channels, c.classes);
  VOX_CHECK(levels >= kFewestLevels && levels <= kMostLevels, "unet3d: {} widths ({}), wants {} to {}, one per level",
            levels, fmt::join(c.widths, " "), kFewestLevels, kMostLevels);
  VOX_CHECK(c.in_channels <= kMostChannels && c.classes <= kMostChannels,
            "unet3d: {} channels in and {} classes, wants at most {}", c.in_channels, c.classes, kMostChannels);
  for (const std::int64_t w : c.widths) {
    VOX_CHECK(w >= 1 && w <= kMostChannels, "unet3d: a width is {}, wants 1 to {}", w, kMostChannels);
  }
  VOX_CHECK(c.encoder_dropout.size() == levels && c.decoder_dropout.size() == levels - 1,
            "unet3d: {} and {} dropouts of encoder and decoder, wants {} and {}", c.encoder_dropout.size(),
            c.decoder_dropout.size(), levels, levels - 1);
  VOX_CHECK(c.negative_slope >= 0 && c.negative_slope < 1, "unet3d: negative slope is {}, wants 0 to below 1",
            c.negative_slope);
  VOX_CHECK(c.supervision >= 1 && c.supervision < static_cast<std::int64_t>(levels),
            "unet3d: supervision is {}, wants 1 to {}, the decoder levels", c.supervision, levels - 1);
}

std::string text_of(const UNetConfig& c) {
  constexpr std::array<const char*, 3> kNorms{"no norm", "batch norm", "instance norm"};
  constexpr std::array<const char*, 3> kInits{"keras", "torch", "kaiming"};
  const bool drops = std::ranges::any_of(c.encoder_dropout, [](double p) { return p > 0; });
  const bool drops_late = c.block_order == BlockOrder::dropout_last;
  return fmt::format("{}: {} channels to {} {}; {} levels of {}; {}{}, {}, {}, {}, {}, initial weights {}", c.preset,
                     c.in_channels, c.classes, c.targets == Targets::regions ? "regions" : "classes", c.widths.size(),
                     fmt::join(c.widths, " "), kNorms.at(static_cast<std::size_t>(c.norm)),
                     c.norm != Norm::none && c.norm_bias ? " behind a bias" : "",
                     c.negative_slope > 0 ? fmt::format("leaky ReLU {:g}", c.negative_slope) : "ReLU",
                     c.down == Down::max_pool ? "max pool" : "strided convolutions",
                     drops ? fmt::format("dropout {:g}{}", fmt::join(c.encoder_dropout, " "), drops_late ? " last" : "")
                           : "no dropout",
                     c.supervision > 1 ? fmt::format("the loss sees {} levels", c.supervision) : "one head",
                     kInits.at(static_cast<std::size_t>(c.init)));
}

}  // namespace vox
