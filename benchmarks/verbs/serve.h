#pragma once

#include "benchmarks/output/report.h"

namespace vox::bench {

/// This program's side of the protocol in README.md: answers questions line by line until its input ends.
void serve();

}  // namespace vox::bench
