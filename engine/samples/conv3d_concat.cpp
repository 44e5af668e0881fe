#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::conv3d_concat>() {
  const auto at = [](std::string_view variant, const Size& size) {
    return Sample{.variant = variant,
                  .inputs = {volume("a", 3), volume("b", 4), weight("weight"), optional(vector("bias", 2))},
                  .size = size,
                  .call = [](Inputs in) { return conv3d_concat(in[0], in[1], in[2], in[3]); },
                  .gradient = {1, 1},
                  .result = result_of_weight};
  };
  return {at("8 and 3 channels", {.batch = 2, .in = {8, 3}, .extent = {3, 2, 3}, .out = 3, .kernel = 3}),
          at("3 and 9 channels", {.batch = 1, .in = {3, 9}, .extent = {2, 3, 3}, .out = 2, .kernel = 3})};
}

}  // namespace vox::samples
