#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::add>() {
  return {{.inputs = {volume("a", 1), volume("b", 2)},
           .size = {.batch = 2, .in = {5, 5}, .extent = {3, 2, 3}},
           .call = [](Inputs in) { return add(in[0], in[1]); },
           .gradient = {}}};
}

}  // namespace vox::samples
