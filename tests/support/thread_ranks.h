#pragma once

#include <functional>

#include "engine/ranks/communicator.h"

namespace vox::test {

/// Runs body on n ranks, each a thread of this process, and returns when all have ended. Their communicator checks what
/// Communicator asks of its callers: that all ranks make the same call, that sizes fit each other and the buffers.
///
/// An exception of a rank makes the others throw OtherRankFailed where they wait, now or later, whichever thread of
/// theirs it is; then run_ranks() throws the exception, that of the lowest rank where several have one of their own. A
/// rank that ends while others wait for it is an Error there, not a hang.
///
/// Catch2's macros may only be used by one thread at a time: a body leaves its results behind, or throws.
void run_ranks(int n, const std::function<void(Communicator&)>& body);

}  // namespace vox::test
