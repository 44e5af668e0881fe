#pragma once

#include "engine/json.h"
#include "engine/ranks/communicator.h"

namespace vox {

/// What ranks say of themselves and how fast they exchange bytes; all ranks call it, each with what it knows of itself
/// ("host", "gpus" and so on). An object: "ranks" (what each said) and "collectives", for memory of the host and, where
/// each rank has a GPU of its own, for those: "communicator" and "rows", each of
///   call: all-gather, all-to-all, broadcast or barrier;
///   bytes: of a rank's whole buffer, which the all-gather leaves, the all-to-all sends or the broadcast brings;
///   seconds: of one call, the median of several, on the rank where that is largest;
///   bytes_per_second: that come in at a rank, from the others, in that time.
/// Small all-gathers are what sums over a batch take, several per layer; the gradients of a step go by an all-to-all
/// and an all-gather of 22 MB in all for the default network.
[[nodiscard]] Json measure_ranks(Communicator&, const Json& mine);

void print_ranks(const Json&);

}  // namespace vox
