#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::cross_entropy>() {
  const auto at = [](std::string_view variant, const CrossEntropyOptions& options) {
    return Sample{.variant = variant,
                  .inputs = {volume("logits"), labels("labels")},
                  .size = {.batch = 2, .in = {4}, .extent = {3, 2, 3}},
                  .call = [options](Inputs in) { return cross_entropy(in[0], in[1], options); },
                  .result = small_result};
  };
  return {at("", {}),
          at("weighted, no background, per case",
             {.class_weights = {0.25, 2, 3, 0.5}, .background = Background::exclude, .sums = Sums::per_case})};
}

}  // namespace vox::samples
