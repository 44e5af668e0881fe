#include "engine/ops/case_sums.h"

#include <vector>

#include "engine/dispatch.h"
#include "engine/ranks/case_tree.h"
#include "engine/ranks/rank_sums.h"
#include "kernels/add.h"
#include "kernels/base/check.h"
#include "kernels/sum_rows.h"

namespace vox {
namespace {

/// Row to_row of `to` = the sum of a node's rows, which begin at row `first`; rows of so many elements.
void add_rows(const Tensor& rows, std::int64_t first, const CaseRange& node, std::int64_t whole, Tensor& to,
              std::int64_t to_row, std::int64_t elements) {
  VOX_CHECK(node.count <= kMostRows, "a batch of {} cases on one rank, wants at most {}", node.count, kMostRows);
  const std::vector<std::uint8_t> merges = tree_merges(node, whole);
  const auto part = [&](auto all, std::int64_t row, std::int64_t count) {
    return all.subspan(static_cast<std::size_t>(row * elements), static_cast<std::size_t>(count * elements));
  };
  dispatch(rows.device(), rows.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    sum_rows(queue, SumRowsArgs<T>{.rows = node.count,
                                   .x = part(rows.values<T>(), first, node.count),
                                   .merges = merges,
                                   .y = part(to.mutable_values<T>(), to_row, 1)});
  });
}

/// What a rank sends of its cases: its nodes of the tree, or where the order is free all in one.
std::vector<CaseRange> nodes_of(const ActiveShare& active) {
  const BatchShare& share = active.share;
  if (active.sums->reduce() == Reduce::fast && share.count > 0) { return {{0, share.count}}; }
  return tree_nodes({share.first, share.count}, share.whole);
}

}  // namespace

CaseSums::CaseSums(const Shape& shape, DType dtype, Device device, std::int64_t cases, bool by_case)
    : shape_(shape), cases_(cases), dtype_(dtype), device_(device) {
  if (by_case && device == Device::cpu && cases > 1) {
    if (const ActiveShare* const active = active_share(); active == nullptr) {
      merges_ = tree_merges(CaseRange{0, cases}, cases);
    } else if (const std::vector<CaseRange> nodes = nodes_of(*active); nodes.size() == 1) {
      merges_ = tree_merges(nodes.front(), active->sums->reduce() == Reduce::fast ? cases : active->share.whole);
    }
  }
  if (!goes_by_case()) { rows_ = Tensor(cases == 1 ? shape : Shape{cases * shape.count()}, dtype, device); }
}

Tensor& CaseSums::next_row() {
  if (depth_ == pending_.size()) { pending_.emplace_back(shape_, dtype_, device_); }
  return pending_[depth_];
}

void CaseSums::add_row(std::int64_t n) {
  ++depth_;
  for (std::uint8_t m = 0; m < merges_[static_cast<std::size_t>(n)]; ++m) {
    --depth_;
    Tensor& lower = pending_[depth_ - 1];
    const Tensor& upper = pending_[depth_];
    dispatch(device_, dtype_, [&]<class T>(auto& queue, TypeTag<T>) {
      add_forward(queue, AddArgs<T>{.a = lower.values<T>(), .b = upper.values<T>(), .y = lower.mutable_values<T>()});
    });
  }
}

Tensor CaseSums::sum() const {
  const ActiveShare* const active = active_share();
  if (active == nullptr && goes_by_case()) { return pending_.front(); }
  if (active == nullptr && cases_ == 1) { return rows_; }
  if (cases_ == 0) { return Tensor::zeros(shape_, dtype_, device_); }
  Tensor sum(shape_, dtype_, device_);
  const std::int64_t elements = shape_.count();
  if (active == nullptr) {
    add_rows(rows_, 0, {0, cases_}, cases_, sum, 0, elements);
    return sum;
  }
  const BatchShare& share = active->share;
  const bool fast = active->sums->reduce() == Reduce::fast;
  const std::vector<CaseRange> nodes = nodes_of(*active);
  Tensor mine;
  if (goes_by_case()) {
    mine = pending_.front();
  } else if (std::ssize(nodes) == share.count) {
    mine = rows_;
  } else if (!nodes.empty()) {
    mine = Tensor({std::ssize(nodes) * elements}, dtype_, device_);
    std::int64_t row = 0;
    for (const CaseRange& node : nodes) {
      const std::int64_t first = fast ? 0 : node.first - share.first;
      add_rows(rows_, first, node, fast ? share.count : share.whole, mine, row++, elements);
    }
  }
  active->sums->add(mine, share, sum);
  return sum;
}

Tensor rows_of_batch(const Tensor& rows) {
  const ActiveShare* const active = active_share();
  return active == nullptr ? rows : active->sums->gather_cases(rows, active->share);
}

}  // namespace vox
