#pragma once

#include <cstdint>
#include <memory>

#include "engine/ops.h"
#include "engine/ranks/batch_share.h"
#include "engine/types.h"
#include "kernels/base/philox.h"
#include "kernels/base/volume.h"

namespace vox {

class RankSums;  // engine/ranks/rank_sums.h

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
