#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::instance_norm>() {
  return {{.inputs = {volume("x"), vector("gamma", 1), vector("beta", 2)},
           .size = {.batch = 2, .in = {5}, .extent = {2, 3, 2}},
           .call = [](Inputs in) { return instance_norm(in[0], in[1], in[2]); },
           .forward = {2, 1},  // the statistics are known when all of a channel has been read
           .gradient = {3, 2}}};
}

}  // namespace vox::samples
