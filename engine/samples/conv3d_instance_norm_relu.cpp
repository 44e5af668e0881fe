#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::conv3d_instance_norm_relu>() {
  const auto at = [](std::string_view variant, const Conv3dInstanceNormReluOptions& options,
                     const DropoutOptions& dropout) {
    return Sample{.variant = variant,
                  .inputs = {volume("a", 3), optional(volume("b", 4)), weight("weight"), vector("bias", 6),
                             vector("gamma", 2, 0.5, 1), vector("beta", 3, 5, 6)},
                  .size = {.batch = 2, .in = {8, 3}, .extent = {3, 2, 3}, .out = 3, .kernel = 3},
                  .call =
                      [options, dropout](Inputs in) {
                        return conv3d_instance_norm_relu(in[0], in[1], in[2], in[3], in[4], in[5], options, dropout);
                      },
                  .result = result_of_weight};
  };
  return {at("8 and 3 channels", {}, {.p = 0}),
          at("dropout", {.negative_slope = 0.25}, {.p = 0.25, .key = {.seed = 5, .step = 2, .place = 1}})};
}

}  // namespace vox::samples
