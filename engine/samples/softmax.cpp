#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::softmax>() {
  const auto at = [](std::string_view variant, const Size& size) {
    return Sample{.variant = variant,
                  .inputs = {volume("x")},
                  .size = size,
                  .call = [](Inputs in) { return softmax(in[0]); },
                  .gradient = {1, 2}};
  };
  return {at("", {.batch = 2, .in = {4}, .extent = {3, 2, 3}}), at("9 channels", {.in = {9}, .extent = {1, 2, 2}})};
}

}  // namespace vox::samples
