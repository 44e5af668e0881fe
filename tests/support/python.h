#pragma once

#include <optional>
#include <string>

#include "tests/support/program.h"

namespace vox::test {

/// Runs a script of this tree with the Python of build/python, which tools/setup.sh --tests makes, or with that of
/// $VOXGRAD_TEST_PYTHON. Arguments are as a shell reads them. Nothing, with a printed "skipped: why", where there is
/// none or the script ends with 77.
[[nodiscard]] std::optional<Ended> python(const std::string& script, const std::string& arguments);

}  // namespace vox::test
