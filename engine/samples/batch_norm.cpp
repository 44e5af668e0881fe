#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::batch_norm>() {
  const auto at = [](std::string_view variant, BatchNormMode mode) {
    return Sample{.variant = variant,
                  .inputs = {volume("x"), vector("gamma", 1), vector("beta", 2), statistics("running_mean", 3, -1, 1),
                             statistics("running_var", 4, 0.5, 2)},
                  .size = {.batch = 2, .in = {5}, .extent = {2, 3, 2}},
                  .call = [mode](Inputs in) { return batch_norm(in[0], in[1], in[2], in[3], in[4], {.mode = mode}); },
                  .forward = {2, 1},  // the statistics are known when all of x has been read
                  .gradient = {3, 2}};
  };
  return {at("training", BatchNormMode::training), at("inference", BatchNormMode::inference)};
}

}  // namespace vox::samples
