#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::conv_transpose3d>() {
  const auto at = [](std::string_view variant, const Size& size, const ConvTranspose3dOptions& options) {
    return Sample{.variant = variant,
                  .inputs = {volume("x"), weight("weight", Role::transposed_weight), optional(vector("bias", 2))},
                  .size = size,
                  .call = [options](Inputs in) { return conv_transpose3d(in[0], in[1], in[2], options); },
                  .gradient = {1, 1},
                  .result = [](const Size& s) { return 8 * result_of_weight(s); }};
  };
  return {at("2x2x2 stride 2", {.batch = 2, .in = {5}, .extent = {2, 3, 2}, .out = 3, .kernel = 2}, {}),
          at("3x3x3 stride 2", {.batch = 1, .in = {3}, .extent = {2, 3, 2}, .out = 2, .kernel = 3},
             {.stride = 2, .padding = 1, .output_padding = 1})};
}

}  // namespace vox::samples
