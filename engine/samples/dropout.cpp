#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::dropout>() {
  static constexpr DropoutOptions kHalf{.p = 0.5, .key = {.seed = 3, .step = 1, .place = 4}};
  return {{.inputs = {volume("x")},
           .size = {.batch = 2, .in = {5}, .extent = {3, 2, 3}},
           .call = [](Inputs in) { return dropout(in[0], kHalf); },
           .gradient = {1, 1}}};
}

}  // namespace vox::samples
