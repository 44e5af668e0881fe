#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

inline constexpr std::int64_t kMostRows = 1024;  ///< of a sum: so many bytes go along with a launch
inline constexpr int kMostPending = 12;          ///< sums that wait for their partner: kMostRows in a tree have 11

/// y[e] = the sum of x[r][e] over r, in the order of a tree: row after row is put on a stack, and after row r the two
/// uppermost are replaced by (lower + upper), merges[r] times; in the end one is left. engine/ranks/case_tree.h says
/// which trees there are.
template <class T> struct SumRowsArgs {
  std::int64_t rows = 0;                 ///< 1 ... kMostRows
  std::span<const T> x;                  ///< [rows][y.size()]
  std::span<const std::uint8_t> merges;  ///< [rows], host memory; rows - 1 in all
  std::span<T> y;                        ///< overwritten
};

VOX_KERNEL(sum_rows, SumRowsArgs);

}  // namespace vox
