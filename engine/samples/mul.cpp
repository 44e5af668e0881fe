#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::mul>() {
  return {{.inputs = {volume("a", 1), volume("b", 2)},
           .size = {.batch = 2, .in = {5, 5}, .extent = {3, 2, 3}},
           .call = [](Inputs in) { return mul(in[0], in[1]); },
           .gradient = {2, 1}}};
}

}  // namespace vox::samples
