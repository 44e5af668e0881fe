#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::conv3d_batch_norm_relu>() {
  static constexpr DropoutOptions kDrop{.p = 0.25, .key = {.seed = 5, .step = 2, .place = 1}};
  return {
      {.variant = "8 and 3 channels, dropout",
       .inputs = {volume("a", 3), optional(volume("b", 4)), weight("weight"), vector("gamma", 2, 0.5, 1),
                  vector("beta", 3, 5, 6), statistics("running_mean", 4, -1, 1), statistics("running_var", 5, 0.5, 2)},
       .size = {.batch = 2, .in = {8, 3}, .extent = {3, 2, 3}, .out = 3, .kernel = 3},
       .call =
           [](Inputs in) { return conv3d_batch_norm_relu(in[0], in[1], in[2], in[3], in[4], in[5], in[6], {}, kDrop); },
       .result = result_of_weight}};
}

}  // namespace vox::samples
