#pragma once

#include <cstdint>
#include <vector>

#include "engine/micro_batch.h"
#include "engine/ranks/batch_share.h"

namespace vox {

/// What a rank reads and computes of a batch.
struct RankCases {
  std::vector<BatchShare> shares;    ///< of each part that is computed at a time
  std::vector<std::int64_t> places;  ///< in the batch, of the cases that are here, part by part

  [[nodiscard]] std::int64_t count() const { return std::ssize(places); }
  [[nodiscard]] std::int64_t at_a_time() const;  ///< cases here of a full part; only the last may have fewer
};

/// The batch is cut into parts of `at_a_time` cases (0: it is one part), and ranks share each of them: what is computed
/// together does not depend on how many they are. A rank without a case of a part has the part's first.
[[nodiscard]] RankCases rank_cases(std::int64_t batch, std::int64_t at_a_time, int rank, int ranks);

/// The parts that this rank computes, told what they are of the whole, where there are several ranks.
[[nodiscard]] std::vector<MicroBatch> shared_out(std::vector<MicroBatch>, const std::vector<BatchShare>&, int ranks);

}  // namespace vox
