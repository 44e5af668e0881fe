#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::dice_bce_loss>() {
  const auto at = [](std::string_view variant, std::int64_t regions, const DiceBceLossOptions& options) {
    const auto call = [options](Inputs in) {
      DiceBceLossOptions o = options;  // regions within one another, as BraTS' are, as many as there are channels
      const auto classes = static_cast<int>(in[0].shape()[1]);
      o.classes = classes;
      o.regions.assign(static_cast<std::size_t>(classes), {});
      for (int c = 0; c < classes; ++c) {
        for (int r = 0; r <= c; ++r) { o.regions[static_cast<std::size_t>(r)].push_back(c); }
      }
      return dice_bce_loss(in[0], in[1], o);
    };
    return Sample{.variant = variant,
                  .inputs = {volume("logits"), labels("labels")},
                  .size = {.batch = 2, .in = {regions}, .extent = {3, 2, 3}},
                  .call = call,
                  .result = small_result};
  };
  return {at("", 3, {}), at("per case", 5, {.sums = Sums::per_case, .bce = 0.5})};
}

}  // namespace vox::samples
