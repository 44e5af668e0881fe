#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/shared_memory.h"

namespace vox::simt {

/// In what order blocks start and threads of a block run. A kernel without races gives the same bits in all of them.
enum class Order : std::uint8_t { forward, reverse, random };

struct Options {
  Order order = Order::forward;
  std::uint64_t seed = 1;        ///< of the random order
  int os_threads = 1;            ///< blocks that run at the same time; the checking build takes one
  bool exit_at_barrier = false;  ///< allow what sm_70 and later do: threads that have left do not count at a barrier
  std::size_t shared_limit_bytes = kSharedEverywhere;  ///< of a block; more where a kernel is for some GPUs alone
};

[[nodiscard]] Options& options();

/// True where the executor was compiled to check every access of a kernel (VOX_SIMT_CHECK).
[[nodiscard]] bool checks_accesses();

}  // namespace vox::simt
