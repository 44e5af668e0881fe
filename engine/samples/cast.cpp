#include "engine/samples/sample.h"

namespace vox::samples {

template <> std::vector<Sample> make<Op::cast>() {
  return {{.inputs = {volume("x")},
           .size = {.batch = 2, .in = {5}, .extent = {3, 2, 3}},
           .call = [](Inputs in) { return cast(in[0], in[0].dtype() == DType::bf16 ? DType::f32 : DType::bf16); },
           .gradchecked = false,
           .gradient = {1, 1},
           .result = small_result},  // of another type
          {.variant = "f64",
           .inputs = {volume("x")},
           .size = {.batch = 2, .in = {5}, .extent = {3, 2, 3}},
           .call = [](Inputs in) { return cast(in[0], DType::f64); }}};
}

}  // namespace vox::samples
