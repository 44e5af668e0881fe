#pragma once

#include <string>
#include <vector>

#include "engine/gradcheck.h"
#include "engine/ops.h"

namespace vox {

/// An operator with inputs to check its gradient at: small, and with ragged channels and odd extents.
struct GradcheckCase {
  Op op;
  std::string variant;  ///< which of several cases of an operator; may be empty
  std::vector<std::string> input_names;
  std::vector<Tensor> inputs;  ///< f64; those to check require a gradient
  GradcheckFunction apply;
};

/// At least one for every operator of the catalogue, in its order.
[[nodiscard]] std::vector<GradcheckCase> gradcheck_cases();

}  // namespace vox
