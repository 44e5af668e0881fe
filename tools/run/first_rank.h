#pragma once

#include <string>

#include "engine/ranks/deal.h"
#include "model/optimizer.h"
#include "model/unet3d.h"
#include "model/weight_average.h"

namespace vox {

// What rank 0 knows and the others are told: it alone looks into the folder of a run, which they may not see.

/// make() of rank 0, which others do not call, on every rank. Collective.
template <class Make> [[nodiscard]] std::string text_of_first(Communicator& ranks, const Make& make) {
  if (ranks.size() == 1) { return make(); }
  return gather(ranks, ranks.rank() == 0 ? make() : std::string()).front();
}

/// The same of a condition.
template <class Is> [[nodiscard]] bool first_finds(Communicator& ranks, const Is& is) {
  return text_of_first(ranks, [&] { return std::string(is() ? "y" : "n"); }) == "y";
}

/// Weights, running statistics, moments and the average, if there is one, of rank 0 on every rank, bit for bit.
/// Collective.
void take_state_of_first(Communicator&, UNet3d&, Optimizer&, WeightAverage*);

/// Throws Error naming the ranks whose digest is not that of rank 0: something has computed wrongly. Collective.
void check_digest(Communicator&, const std::string& digest, std::int64_t step);

}  // namespace vox
