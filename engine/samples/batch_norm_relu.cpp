#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::batch_norm_relu>() {
  static constexpr DropoutOptions kDrop{.p = 0.25, .key = {.seed = 5, .step = 2, .place = 1}};
  const auto at = [](std::string_view variant, BatchNormMode mode) {
    return Sample{
        .variant = variant,
        .inputs = {volume("x", 0, Draw::off_zero), vector("gamma", 1, 0.5, 1), vector("beta", 2, -0.02, 0.02),
                   statistics("running_mean", 3, -0.05, 0.05), statistics("running_var", 4, 0.5, 2)},
        .size = {.batch = 2, .in = {5}, .extent = {2, 3, 2}},
        .call = [mode](Inputs in) { return batch_norm_relu(in[0], in[1], in[2], in[3], in[4], {.mode = mode}, kDrop); },
        .forward = {2, 1},  // the statistics are known when all of x has been read
        .gradient = {3, 2}};
  };
  return {at("training, dropout", BatchNormMode::training), at("inference, dropout", BatchNormMode::inference)};
}

}  // namespace vox::samples
