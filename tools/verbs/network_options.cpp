#include "tools/verbs/network_options.h"

#include <algorithm>

namespace vox {

void add_network_options(Command app, TrainOptions& o) {
  constexpr const char* kPresets = "the preset's";
  app.option(
      "--preset", o.preset,
      "network: seed (4 modalities, batch norm), tutorial (3, none), nnunet (4, instance norm, 6 levels; its training, "
      "too) or best (nnunet's with seed's channels, and a training for two cores)");
  app.option("--widths", o.widths, "channels of each level, three to seven; of seed 16 32 64 128 256")
      .default_text(kPresets);
  app.option("--norm", o.norm, "behind each 3x3x3 convolution: batch, instance or none").default_text(kPresets);
  app.option("--norm-bias", o.norm_bias, "on: a convolution has a bias though a norm follows; or off")
      .default_text(kPresets);
  app.option("--negative-slope", o.negative_slope, "of the leaky ReLU; 0: ReLU; -1: the preset's");
  app.option("--down", o.down, "how extents are halved: max-pool, or strided-conv, the first of the next level")
      .default_text(kPresets);
  app.option("--supervision", o.supervision,
             "decoder levels whose logits the loss sees, from the full resolution on; 0: the preset's");
  app.option("--block-order", o.block_order, "dropout-between or dropout-last of the two convs of a block");
  app.option("--init", o.init, "initial weights: keras (he_uniform, glorot_uniform), torch or kaiming (normal)")
      .default_text(kPresets);
}

std::set<std::string> given_options(Command app) {
  std::set<std::string> given;
  for (const Option& option : app.options()) {
    if (!option.is_given() || option.long_names().empty()) { continue; }
    std::string key = option.long_names().front();
    std::ranges::replace(key, '-', '_');
    given.insert(key);
  }
  return given;
}

}  // namespace vox
