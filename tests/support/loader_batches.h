#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "data/loading/loader.h"
#include "tests/support/catch.h"

namespace vox::test {

/// All batches of an epoch, from one on.
inline std::vector<Batch> epoch_of(Loader& loader, std::uint32_t epoch, std::int64_t first_batch = 0) {
  loader.start_epoch(epoch, first_batch);
  std::vector<Batch> batches;
  while (std::optional<Batch> b = loader.next()) { batches.push_back(std::move(*b)); }
  return batches;
}

inline void check_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].ids == b[i].ids);
    CHECK(std::ranges::equal(a[i].images, b[i].images));
    CHECK(std::ranges::equal(a[i].labels, b[i].labels));
  }
}

}  // namespace vox::test
