#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::max_pool3d>() {
  return {{.inputs = {volume("x", 0, Draw::distinct)},
           .size = {.batch = 1, .in = {3}, .extent = {4, 5, 3}},
           .call = [](Inputs in) { return max_pool3d(in[0]); },
           .result = small_result}};  // an eighth, and nothing of a volume of one voxel
}

}  // namespace vox::samples
