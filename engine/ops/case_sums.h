#pragma once

#include <cstdint>
#include <span>

#include "engine/ranks/share_scope.h"
#include "engine/tensor.h"

namespace vox {

/// A gradient that a kernel gives case by case, and the sum over the batch: in the tree of engine/ranks/case_tree.h,
/// over all ranks where the batch is shared out (then it is there when RankSums::finish() returns).
class CaseSums {
 public:
  /// shape: of the sum; cases: that are here.
  CaseSums(const Shape& shape, DType, Device, std::int64_t cases);
  /// [cases, shape], for the kernel.
  template <class T> [[nodiscard]] std::span<T> rows() { return rows_.mutable_values<T>(); }
  [[nodiscard]] Tensor sum() const;

 private:
  Shape shape_;
  std::int64_t cases_;
  Tensor rows_;  ///< [cases * elements]; of one case: shape
};

/// Rows of all cases of the batch, given those that are here: for what a kernel adds up case after case.
[[nodiscard]] Tensor rows_of_batch(const Tensor& rows);

}  // namespace vox
