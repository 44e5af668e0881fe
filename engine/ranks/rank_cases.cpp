#include "engine/ranks/rank_cases.h"

#include <algorithm>
#include <utility>

#include "kernels/base/check.h"

namespace vox {

std::int64_t RankCases::at_a_time() const { return shares.front().here(); }

RankCases rank_cases(std::int64_t batch, std::int64_t at_a_time, int rank, int ranks) {
  VOX_CHECK(batch >= 1 && at_a_time >= 0 && rank >= 0 && rank < ranks,
            "a batch of {} cases, {} at a time, has no share of rank {} of {}", batch, at_a_time, rank, ranks);
  const std::int64_t part = at_a_time == 0 ? batch : std::min(at_a_time, batch);
  RankCases cases;
  for (std::int64_t begin = 0; begin < batch; begin += part) {
    const BatchShare share = share_of(std::min(part, batch - begin), rank, ranks);
    for (std::int64_t i = 0; i < share.here(); ++i) { cases.places.push_back(begin + share.first_here() + i); }
    cases.shares.push_back(share);
  }
  return cases;
}

std::vector<MicroBatch> shared_out(std::vector<MicroBatch> parts, const std::vector<BatchShare>& shares, int ranks) {
  VOX_CHECK(parts.size() == shares.size(), "{} parts of a batch, and shares of {}", parts.size(), shares.size());
  for (std::size_t i = 0; ranks > 1 && i < parts.size(); ++i) { parts[i].share = shares[i]; }
  return parts;
}

}  // namespace vox
