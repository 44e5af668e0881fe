#pragma once

#include "engine/json.h"

namespace vox::bench {

/// The page (tools/report/page.h) of a run's results, {"facts", "rows", ...} as Report keeps them: the facts, the
/// roofline with every line of the table that has flops as a point whose name appears, where the run measured ceilings,
/// and all figures as a table that sorts.
[[nodiscard]] Json bench_page(const Json& results);

}  // namespace vox::bench
