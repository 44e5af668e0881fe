#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::conv3d>() {
  const auto strided = [](const Size& s) { return result_of_weight(s) / 8; };
  const auto at = [=](std::string_view variant, const Size& size, const Conv3dOptions& options) {
    return Sample{.variant = variant,
                  .inputs = {volume("x"), weight("weight"), optional(vector("bias", 2))},
                  .size = size,
                  .call = [options](Inputs in) { return conv3d(in[0], in[1], in[2], options); },
                  .gradient = {1, 1},
                  .result = options.stride == 2 ? +strided : result_of_weight};
  };
  return {at("3x3x3", {.batch = 1, .in = {3}, .extent = {3, 4, 5}, .out = 5, .kernel = 3}, {}),
          at("stride 2", {.batch = 2, .in = {3}, .extent = {4, 5, 3}, .out = 2, .kernel = 3}, {.stride = 2}),
          at("1x1x1", {.batch = 2, .in = {9}, .extent = {2, 3, 3}, .out = 4, .kernel = 1}, {})};
}

}  // namespace vox::samples
