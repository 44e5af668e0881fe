#pragma once

#include <vector>

#include "tests/engine/op_case.h"

namespace vox::test {

/// The four smallest cases of each operator: for what is done with many inputs each.
[[nodiscard]] std::vector<const OpCase*> small_op_cases();

}  // namespace vox::test
