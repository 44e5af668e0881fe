#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::relu>() {
  return {{.inputs = {volume("x", 0, Draw::off_zero)},
           .size = {.batch = 2, .in = {5}, .extent = {3, 2, 3}},
           .call = [](Inputs in) { return relu(in[0]); },
           .gradient = {1, 2}}};
}

}  // namespace vox::samples
