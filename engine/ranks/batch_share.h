#pragma once

#include <algorithm>
#include <cstdint>

namespace vox {

/// The cases of a batch that a rank computes: [first, first + count) of `whole`. A rank whose count is 0 computes the
/// batch's first case once more, so that all ranks take the same steps, and nothing of it goes into any sum.
struct BatchShare {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::int64_t whole = 0;

  [[nodiscard]] std::int64_t here() const { return count > 0 ? count : 1; }        ///< cases of this rank's tensors
  [[nodiscard]] std::int64_t first_here() const { return count > 0 ? first : 0; }  ///< which of the batch they are

  friend bool operator==(const BatchShare&, const BatchShare&) = default;
};

/// As even as can be: the lower ranks have one more.
[[nodiscard]] inline BatchShare share_of(std::int64_t whole, int rank, int ranks) {
  const std::int64_t each = whole / ranks;
  const std::int64_t more = whole % ranks;  // ranks that have one more
  return {
      .first = each * rank + std::min<std::int64_t>(rank, more), .count = each + (rank < more ? 1 : 0), .whole = whole};
}

}  // namespace vox
