#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/shared_memory.h"

namespace vox::simt {

/// In what order blocks start and threads of a block run. A kernel without races gives the same bits in all of them.
enum class Order : std::uint8_t { forward, reverse, random };

/// How tensor cores add up products of bf16 or tf32, which are exact. NVIDIA does not say; published measurements do
/// (Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021; Xie et al., "MMA-Sim", arXiv
/// 2511.10909). The accumulator and the products of a step are cut toward zero at one place, so many binary digits
/// behind the highest exponent among them, a product's being the sum of its factors'; their sum is cut to float.
enum class TensorCore : std::uint8_t {
  exact,  ///< sums in double, rounded to the nearest float once
  sm_80,  ///< 24 digits; a step has 8 products of bf16 or 4 of tf32. 8.6 and 8.9 are like it
  sm_90,  ///< 25 digits; a step has 16 products of bf16 or 8 of tf32
};

struct Options {
  Order order = Order::forward;
  std::uint64_t seed = 1;        ///< of the random order
  int os_threads = 1;            ///< blocks that run at the same time; the checking build takes one
  bool exit_at_barrier = false;  ///< allow what sm_70 and later do: threads that have left do not count at a barrier
  TensorCore tensor_core = TensorCore::sm_80;          ///< the one that loses most
  std::size_t shared_limit_bytes = kSharedEverywhere;  ///< of a block; more where a kernel is for some GPUs alone
};

[[nodiscard]] Options& options();

/// True where the executor was compiled to check every access of a kernel (VOX_SIMT_CHECK).
[[nodiscard]] bool checks_accesses();

}  // namespace vox::simt
