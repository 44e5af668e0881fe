#pragma once

#include <string_view>

namespace vox {

/// Can it be a case's id, which results are called after? It is not empty, does not start with a point, and has neither
/// "/" nor a control character (below 32, and 127), which a terminal would obey where it is printed.
[[nodiscard]] bool is_case_id(std::string_view);

}  // namespace vox
