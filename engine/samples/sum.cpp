#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::sum>() {
  return {{.inputs = {volume("x")},
           .size = {.batch = 2, .in = {5}, .extent = {3, 2, 3}},
           .call = [](Inputs in) { return sum(in[0]); },
           .gradient = {1, 0},
           .result = small_result}};
}

}  // namespace vox::samples
