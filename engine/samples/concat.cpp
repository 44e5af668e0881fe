#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::concat>() {
  return {{.inputs = {volume("a", 1), volume("b", 2)},
           .size = {.batch = 2, .in = {3, 12}, .extent = {2, 3, 2}},
           .call = [](Inputs in) { return concat(in[0], in[1]); },
           .gradient = {1, 1},
           .result = [](const Size& s) { return stored_channels(s.in.front() + s.in.back()); }}};
}

}  // namespace vox::samples
