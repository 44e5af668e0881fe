#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/run/train_options.h"
#include "tools/ui/command_line.h"

namespace vox {

/// What `plan --ranks` wants to know beside the network and the batch.
struct RanksArgs {
  std::vector<std::int64_t> ranks;  ///< empty: not asked
  std::string fabric = "ethernet25";
  double latency_us = -1;  ///< -1: the fabric's
  double gbit_per_s = -1;  ///< the same
  double case_ms = 0;
  double rest_ms = 0;
  std::string reduce = "ordered";
};

void add_ranks_options(Command, RanksArgs&);
/// Steps on so many ranks: one batch shared (strong scaling), and a batch for each (weak), as tables or JSON.
void plan_ranks(const TrainOptions&, const RanksArgs&, bool json);

}  // namespace vox
