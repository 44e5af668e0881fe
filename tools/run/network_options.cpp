// The network that a run's options mean.
#include <fmt/format.h>

#include "data/scoring/metrics.h"
#include "tools/run/option_words.h"
#include "tools/run/train_options.h"

namespace vox {
namespace {

constexpr std::int64_t kWidest = 65'536;

void check_widths(const std::vector<std::int64_t>& widths) {
  VOX_CHECK(widths.size() >= kFewestLevels && widths.size() <= kMostLevels,
            "--widths has {} numbers ({}), wants {} to {}, one for each level", widths.size(), fmt::join(widths, " "),
            kFewestLevels, kMostLevels);
  for (const std::int64_t w : widths) {
    VOX_CHECK(w >= 1 && w <= kWidest, "--widths is {}, wants 1 to {}", w, kWidest);
  }
}

void set_targets(UNetConfig& c, const TrainOptions& o) {
  c.targets = targets_named(o.targets);
  c.classes = c.targets == Targets::regions ? std::ssize(kRegions) : UNetConfig().classes;
}

void set_layers(UNetConfig& c, const TrainOptions& o) {
  if (!o.norm.empty()) {
    c.norm =
        chosen<Norm, 3>("norm", o.norm, {{{"batch", Norm::batch}, {"instance", Norm::instance}, {"none", Norm::none}}});
  }
  if (!o.norm_bias.empty()) {
    c.norm_bias = chosen<bool, 2>("norm-bias", o.norm_bias, {{{"on", true}, {"off", false}}});
  }
  VOX_CHECK(o.negative_slope == -1 || (o.negative_slope >= 0 && o.negative_slope < 1),
            "--negative-slope is {}, wants 0 to below 1, or -1 for the preset's", o.negative_slope);
  if (o.negative_slope != -1) { c.negative_slope = o.negative_slope; }
  if (!o.down.empty()) {
    c.down = chosen<Down, 2>("down", o.down, {{{"max-pool", Down::max_pool}, {"strided-conv", Down::strided_conv}}});
  }
  c.block_order = chosen<BlockOrder, 2>(
      "block-order", o.block_order,
      {{{"dropout-between", BlockOrder::dropout_between}, {"dropout-last", BlockOrder::dropout_last}}});
}

}  // namespace

UNetConfig unet_config(const TrainOptions& o) {
  UNetConfig c = unet_preset(o.preset);
  if (!o.widths.empty()) {
    check_widths(o.widths);
    c = with_widths(c, o.widths);
  }
  set_targets(c, o);
  set_layers(c, o);
  const auto decoder_levels = std::ssize(c.widths) - 1;
  VOX_CHECK(o.supervision >= 0 && o.supervision <= decoder_levels,
            "--supervision is {}, wants 1 to {}, the decoder's levels, or 0 for the preset's", o.supervision,
            decoder_levels);
  if (o.supervision > 0) { c.supervision = o.supervision; }
  if (!o.init.empty()) {
    c.init =
        chosen<Init, 3>("init", o.init, {{{"keras", Init::keras}, {"torch", Init::torch}, {"kaiming", Init::kaiming}}});
  }
  return c;
}

}  // namespace vox
