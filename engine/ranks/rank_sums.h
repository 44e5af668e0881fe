#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/ranks/batch_share.h"
#include "engine/ranks/case_tree.h"
#include "engine/ranks/communicator.h"
#include "engine/tensor.h"

namespace vox {

/// How gradients of weights are added over ranks.
enum class Reduce : std::uint8_t {
  ordered,  ///< in the tree of cases: the same bits for any number of ranks
  fast      ///< each rank's cases, then the ranks as the communicator likes: fewer bytes where shares are no nodes
};

/// The sums over a batch that its ranks make together. Of R ranks each sends, per gradient of P elements, as many times
/// P as its share has nodes (case_tree.h; 1 where whole / R is a power of two) in an all-to-all, adds up its R-th of
/// the elements, and sends that to all in an all-gather. Gradients go in buckets, in the order in which they come, by a
/// thread of its own while the backward pass goes on.
class RankSums {
 public:
  /// now: of the calling thread; meanwhile: for the other one, the same ranks once more. Their buffers must be where
  /// the tensors are; those of the simt device go through the host. device: as select_device() has it, for the other
  /// thread.
  RankSums(Communicator& now, Communicator& meanwhile, Reduce = Reduce::ordered, std::string device = "cpu");
  ~RankSums();
  RankSums(const RankSums&) = delete;
  RankSums& operator=(const RankSums&) = delete;
  RankSums(RankSums&&) = delete;
  RankSums& operator=(RankSums&&) = delete;

  [[nodiscard]] const Communicator& ranks() const { return now_; }
  [[nodiscard]] Reduce reduce() const { return reduce_; }

  /// Rows of all cases of the batch, [whole, per_case], given those of this rank's, [here, per_case], f64.
  [[nodiscard]] Tensor gather_cases(const Tensor& mine, const BatchShare&);
  /// Begins to add `mine`, a row of sum's size for each of the share's tree_nodes (of Reduce::fast one row, or none of
  /// a share without cases), up over all ranks. `sum` has the result when finish() returns; nobody may write to either
  /// before.
  void add(const Tensor& mine, const BatchShare&, const Tensor& sum);
  /// Whether add() waits until its sum is there: for gradients that something is added to at once.
  void wait_each(bool yes) { waits_ = yes; }
  /// Waits for all that was begun; what kept it from being done is thrown here or by add().
  void finish();

  /// What was sent since the beginning, by this rank: for reports.
  struct Traffic {
    std::int64_t messages = 0;  ///< collective calls
    std::int64_t bytes = 0;     ///< that left this rank
  };
  [[nodiscard]] Traffic traffic() const;

 private:
  struct Bucket;
  class Worker;
  void flush();

  Communicator& now_;
  Communicator& meanwhile_;
  Reduce reduce_;
  std::string device_;
  bool waits_ = false;
  Traffic sent_now_;
  std::unique_ptr<Bucket> filling_;
  std::vector<std::unique_ptr<Bucket>> planned_;  ///< of a dry run: memory is held as it will be
  std::unique_ptr<Worker> worker_;
};

}  // namespace vox
