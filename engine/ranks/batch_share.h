#pragma once

#include <cstdint>
#include <memory>

#include "engine/ops.h"
#include "engine/types.h"
#include "kernels/base/philox.h"
#include "kernels/base/volume.h"

namespace vox {

class RankSums;  // engine/ranks/rank_sums.h

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
[[nodiscard]] BatchShare share_of(std::int64_t whole, int rank, int ranks);

/// While one lives, what this thread computes are the cases of a share, and operators give what the whole batch gives:
/// batch norm has the statistics of all cases, a loss is that of all, dropout draws for each case what it draws for it
/// in the whole batch, gradients of parameters are those of all, the same bits on every rank and for any number of
/// ranks. So ranks must call the same operators in the same order. Volumes have here() cases.
/// Sums over the cases form in the tree of case_tree.h (gradients of weights) or case after case (moments, norms'
/// gradients, losses). Gradients of weights are there when RankSums::finish() returns.
class ShareScope {
 public:
  ShareScope(const BatchShare&, RankSums&);
  ~ShareScope();
  ShareScope(const ShareScope&) = delete;
  ShareScope& operator=(const ShareScope&) = delete;
  ShareScope(ShareScope&&) = delete;
  ShareScope& operator=(ShareScope&&) = delete;

 private:
  const struct ActiveShare* before_;
  std::unique_ptr<ActiveShare> active_;
};

/// What operators see of it.
struct ActiveShare {
  BatchShare share;
  RankSums* sums = nullptr;
};
[[nodiscard]] const ActiveShare* active_share();  ///< of this thread; null: the batch is here as a whole

/// A volume batch of this rank, with the number of cases of the whole batch. Throws where it has others than here().
[[nodiscard]] VolumeShape shared_volume(const Shape&);
/// The key by which a volume batch of this rank draws what its cases draw in the whole batch.
[[nodiscard]] RandomKey shared_key(RandomKey, const Shape&);
/// For an operator whose sums over a batch nobody has taken apart: throws Error where the batch is shared out.
void check_not_shared(Op op);

}  // namespace vox
