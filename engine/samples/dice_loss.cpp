#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::dice_loss>() {
  const auto at = [](std::string_view variant, const DiceLossOptions& options) {
    return Sample{.variant = variant,
                  .inputs = {volume("probabilities", 0, Draw::probabilities), labels("labels")},
                  .size = {.batch = 2, .in = {4}, .extent = {3, 2, 3}},
                  .call = [options](Inputs in) { return dice_loss(in[0], in[1], options); },
                  .gradient = {1, 0},
                  .result = small_result};
  };
  return {at("", {}),
          at("weighted, no background, per case",
             {.class_weights = {0.25, 2, 3, 0.5}, .background = Background::exclude, .sums = Sums::per_case})};
}

}  // namespace vox::samples
