#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ranks/share_scope.h"
#include "engine/tensor.h"

namespace vox {

/// A gradient that a kernel gives case by case, and the sum over the batch: in the tree of engine/ranks/case_tree.h,
/// over all ranks where the batch is shared out (then it is there when RankSums::finish() returns).
class CaseSums {
 public:
  /// shape: of the sum; cases: that are here. by_case: go so where that can be.
  CaseSums(const Shape& shape, DType, Device, std::int64_t cases, bool by_case = false);
  /// [cases, shape], for the kernel.
  template <class T> [[nodiscard]] std::span<T> rows() { return rows_.mutable_values<T>(); }
  [[nodiscard]] Tensor sum() const;

  /// On the CPU, of some cases, in place of rows() and one call for all: calls body(row) for each case in turn, and
  /// adds what is in the row up while it is in the cache, so that there are never more rows than the tree has levels.
  /// The sums are the same.
  template <class T, class Body> void each_case(const Body& body) {
    for (std::int64_t n = 0; n < cases_; ++n) {
      body(n, next_row().template mutable_values<T>());
      add_row(n);
    }
  }
  [[nodiscard]] bool goes_by_case() const { return !merges_.empty(); }

 private:
  [[nodiscard]] Tensor& next_row();
  void add_row(std::int64_t n);

  Shape shape_;
  std::int64_t cases_;
  DType dtype_;
  Device device_;
  Tensor rows_;  ///< [cases * elements]; of one case: shape. Undefined where it goes by case
  std::vector<std::uint8_t> merges_;
  std::vector<Tensor> pending_;
  std::size_t depth_ = 0;
};

/// Rows of all cases of the batch, given those that are here: for what a kernel adds up case after case.
[[nodiscard]] Tensor rows_of_batch(const Tensor& rows);

}  // namespace vox
