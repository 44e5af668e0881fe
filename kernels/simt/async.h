#pragma once

#include <cstdint>
#include <vector>

#include "kernels/simt/calls.h"
#include "kernels/simt/cells.h"

namespace vox::simt {

struct Lane;
struct Runner;

/// A cp.async that was issued: nothing moves before the thread waits for its group, as late as the hardware may.
struct AsyncCopy {
  std::byte* to;
  const std::byte* from;
  std::size_t bytes;
  std::size_t source_bytes;  ///< the rest is zero
  Site at;
};

struct CopyQueue {
  std::vector<AsyncCopy> copies;
  std::vector<std::size_t> groups;  ///< sizes of the committed ones, oldest first
  std::size_t open = 0;             ///< copies after the last commit
};

/// cp.async.bulk: moves when no thread can run without it.
struct BulkCopy {
  std::byte* to;
  const std::byte* from;
  unsigned bytes;
  std::uint64_t* barrier;
  const Lane* issuer;
  Stamp issued;
};

struct Mbarrier {
  unsigned count = 0;
  unsigned pending = 0;
  std::int64_t bytes = 0;  ///< expected and not yet arrived
  unsigned phase = 0;
  std::vector<std::uint32_t> seen;       ///< clocks that a thread which waited for the last phase has seen
  std::vector<std::uint32_t> next_seen;  ///< of the phase that is open
};

void thread_left_copies(Lane&);

}  // namespace vox::simt
