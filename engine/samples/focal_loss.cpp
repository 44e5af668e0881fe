#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::focal_loss>() {
  const auto at = [](std::string_view variant, const FocalLossOptions& options) {
    return Sample{.variant = variant,
                  .inputs = {volume("probabilities", 0, Draw::probabilities), labels("labels")},
                  .size = {.batch = 2, .in = {4}, .extent = {3, 2, 3}},
                  .call = [options](Inputs in) { return focal_loss(in[0], in[1], options); },
                  .result = small_result};
  };
  return {at("", {}), at("weighted, no background",
                         {.gamma = 1.5, .class_weights = {0.25, 2, 3, 0.5}, .background = Background::exclude})};
}

}  // namespace vox::samples
