#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vox {

/// Cases [first, first + count) of a batch.
struct CaseRange {
  std::int64_t first = 0;
  std::int64_t count = 0;

  friend bool operator==(const CaseRange&, const CaseRange&) = default;
};

/// Sums over the cases of a batch of `whole` cases form in one tree, whoever adds them: its leaves are the cases, its
/// nodes the ranges [i * 2^k, (i+1) * 2^k), cut off at `whole`; a node is its first half plus its second, or the first
/// alone where the second is beyond the end.

/// The fewest nodes that make up a range, in order: what a rank adds up by itself. One where the range is a node, as
/// that of every rank is where whole / ranks is a power of two; else at most 2 * log2(count).
[[nodiscard]] std::vector<CaseRange> tree_nodes(const CaseRange&, std::int64_t whole);

/// How rows, which are nodes and follow one another, become the node that all of them make up: SumRowsArgs::merges.
[[nodiscard]] std::vector<std::uint8_t> tree_merges(std::span<const CaseRange> rows, std::int64_t whole);
/// The same of rows that are single cases.
[[nodiscard]] std::vector<std::uint8_t> tree_merges(const CaseRange& node, std::int64_t whole);

}  // namespace vox
