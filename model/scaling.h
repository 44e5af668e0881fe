#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ranks/rank_sums.h"
#include "model/unet_config.h"

namespace vox {

// What a training step on several ranks takes, worked out from measured pieces. A model: it knows no congestion, no
// jitter and no slow rank. The formulas, with their units, stand in docs/cluster.md.

/// What joins the ranks: n bytes from one to another take latency_s + n / bytes_per_s, and all ranks send at once.
struct Fabric {
  std::string name;
  double latency_s = 0;
  double bytes_per_s = 0;       ///< of a rank, in each direction
  std::int64_t most_ranks = 0;  ///< 0: any number
  std::string source;           ///< where the figures are from
};
[[nodiscard]] std::span<const Fabric> known_fabrics();
[[nodiscard]] Fabric fabric_named(std::string_view);  ///< throws Error naming those there are
/// What `voxgrad doctor --json` has measured under mpirun: latency_s of the all-gather of a few bytes, over its rounds;
/// bytes_per_s of the all-to-all of most bytes; between GPUs where there are any. Throws DataError naming the file
/// where that is not in it.
[[nodiscard]] Fabric measured_fabric(std::string_view json, const std::string& file);

/// What of a step has to do with ranks.
struct StepCosts {
  double case_s = 0;  ///< forward and backward pass of one case on one rank
  double rest_s = 0;  ///< of a step, whatever its cases: the optimiser above all
  /// Of case_s: a convolution's gradients are two convolutions, and gradients are exchanged meanwhile.
  double backward_share = 2.0 / 3;
  std::int64_t parameters = 0;                 ///< values that have a gradient, 4 bytes each
  std::vector<std::int64_t> batch_norms{};     ///< channels of each
  std::vector<std::int64_t> instance_norms{};  ///< the same; other cases count in the gradients of their weights alone
  std::int64_t heads = 1;                      ///< logits that have a loss
  std::int64_t bucket_bytes = std::int64_t{4} << 20;  ///< gradients that are exchanged at a time
  Reduce reduce = Reduce::ordered;
};
/// parameters, norms and heads of a network.
[[nodiscard]] StepCosts costs_of(const UNetConfig&);

/// A step of `batch` cases on `ranks`; times in seconds of the rank with most cases.
struct ScalingPoint {
  std::int64_t ranks = 1;
  std::int64_t batch = 1;
  std::int64_t most_cases = 1;   ///< of a rank
  double even_s = 0;             ///< case_s for batch / ranks cases, and rest_s
  double uneven_s = 0;           ///< what most_cases takes longer than that
  double statistics_s = 0;       ///< gathers of the sums of norms and loss, which nothing hides
  double exchange_s = 0;         ///< of gradients, all of it
  double exposed_s = 0;          ///< the part of that behind the end of the backward pass
  std::int64_t collectives = 0;  ///< calls of each rank
  double sent_bytes = 0;         ///< the most that a rank sends to others

  [[nodiscard]] double step_s() const { return even_s + uneven_s + statistics_s + exposed_s; }
  [[nodiscard]] double cases_per_s() const { return static_cast<double>(batch) / step_s(); }
};
/// Throws Error where there are fewer cases than ranks, or more ranks than the fabric joins.
[[nodiscard]] ScalingPoint scaled_step(const StepCosts&, const Fabric&, std::int64_t batch, std::int64_t ranks);

/// Cases per second, of those that as many ranks would do that need not talk: cases_per_s() of `point` over ranks times
/// that of `one`.
[[nodiscard]] double efficiency(const ScalingPoint& point, const ScalingPoint& one);

}  // namespace vox
