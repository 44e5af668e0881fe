#include "engine/ranks/case_tree.h"

#include <algorithm>
#include <bit>

#include "kernels/base/check.h"

namespace vox {
namespace {

std::int64_t power_not_below(std::int64_t count) {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(count, 1))));
}

/// Calls of the node [first, first + size), size a power of two.
struct Nodes {
  const CaseRange& range;
  std::int64_t whole;
  std::vector<CaseRange>& found;

  void add(std::int64_t first, std::int64_t size) const {
    const std::int64_t end = std::min(first + size, whole);
    if (end <= range.first || first >= range.first + range.count) { return; }
    if (first >= range.first && end <= range.first + range.count) {
      found.push_back({first, end - first});
      return;
    }
    add(first, size / 2);
    add(first + size / 2, size / 2);
  }
};

struct Merges {
  std::span<const CaseRange> rows;
  std::int64_t whole;
  std::size_t next = 0;
  std::vector<std::uint8_t> after = std::vector<std::uint8_t>(rows.size());

  void add(std::int64_t first, std::int64_t size) {
    const std::int64_t end = std::min(first + size, whole);
    VOX_CHECK(next < rows.size() && rows[next].first == first && rows[next].count <= end - first,
              "tree_merges: no row begins at case {}", first);
    if (rows[next].count == end - first) {
      ++next;
      return;
    }
    VOX_CHECK(size > 1, "tree_merges: row {} is no node", next);
    add(first, size / 2);
    if (first + size / 2 >= end) { return; }
    add(first + size / 2, size / 2);
    ++after[next - 1];
  }
};

}  // namespace

std::vector<CaseRange> tree_nodes(const CaseRange& range, std::int64_t whole) {
  std::vector<CaseRange> found;
  if (range.count > 0) { Nodes{range, whole, found}.add(0, power_not_below(whole)); }
  return found;
}

std::vector<std::uint8_t> tree_merges(std::span<const CaseRange> rows, std::int64_t whole) {
  VOX_CHECK(!rows.empty(), "tree_merges: no rows");
  const std::int64_t first = rows.front().first;
  const std::int64_t end = rows.back().first + rows.back().count;
  std::int64_t size = power_not_below(end - first);
  VOX_CHECK(first % size == 0 && (end - first == size || end == whole), "tree_merges: cases {} to {} of {} are no node",
            first, end - 1, whole);
  Merges merges{.rows = rows, .whole = whole};
  merges.add(first, size);
  VOX_CHECK(merges.next == rows.size(), "tree_merges: {} rows for a node of {}", rows.size(), merges.next);
  return merges.after;
}

std::vector<std::uint8_t> tree_merges(const CaseRange& node, std::int64_t whole) {
  std::vector<CaseRange> rows;
  for (std::int64_t i = 0; i < node.count; ++i) { rows.push_back({node.first + i, 1}); }
  return tree_merges(rows, whole);
}

}  // namespace vox
