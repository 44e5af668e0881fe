#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::scale>() {
  return {{.inputs = {volume("x")},
           .size = {.batch = 2, .in = {5}, .extent = {3, 2, 3}},
           .call = [](Inputs in) { return scale(in[0], -1.5); },
           .gradient = {1, 1}}};
}

}  // namespace vox::samples
