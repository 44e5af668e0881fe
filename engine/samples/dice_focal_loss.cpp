#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::dice_focal_loss>() {
  const auto at = [](std::string_view variant, const DiceFocalLossOptions& options) {
    return Sample{.variant = variant,
                  .inputs = {volume("logits"), labels("labels")},
                  .size = {.batch = 2, .in = {4}, .extent = {3, 2, 3}},
                  .call = [options](Inputs in) { return dice_focal_loss(in[0], in[1], options); },
                  .result = small_result};
  };
  return {at("", {}), at("and cross entropy, weighted, no background, per case", {.gamma = 1.5,
                                                                                  .class_weights = {0.25, 2, 3, 0.5},
                                                                                  .background = Background::exclude,
                                                                                  .sums = Sums::per_case,
                                                                                  .cross_entropy = 0.5})};
}

}  // namespace vox::samples
