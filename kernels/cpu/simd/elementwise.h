#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/base/parallel.h"
#include "kernels/base/queue.h"

namespace vox {

inline constexpr std::int64_t kElementChunk = 1 << 14;  // elements per task: 64 KiB of f32, an L1 or L2 full

/// Runs body(begin, end) over [0,count) in fixed chunks, which do not depend on the number of threads.
template <class Body> void parallel_chunks(const IsaQueue& q, std::int64_t count, const Body& body) {
  parallel_for(q, (count + kElementChunk - 1) / kElementChunk,
               [&](std::int64_t i) { body(i * kElementChunk, std::min(count, (i + 1) * kElementChunk)); });
}

}  // namespace vox
