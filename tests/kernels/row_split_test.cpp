#include "kernels/cpu/conv3d/row_split.h"

#include <algorithm>
#include <cstdint>
#include <set>

#include "tests/support/catch.h"

namespace vox {
namespace {

/// Tiles follow one another and cover the row, each of a length that has a slot of its own.
template <int Most> void check_rows() {
  std::set<std::int64_t> slots;
  for (std::int64_t width = 1; width <= 6 * Most + 3; ++width) {
    INFO("width " << width << ", tiles of at most " << Most);
    const RowSplit<Most> split(width);
    CHECK(split.begin(0) == 0);
    CHECK(split.begin(split.tiles()) == width);
    std::int64_t shortest = Most;
    std::int64_t longest = 0;
    for (std::int64_t i = 0; i < split.tiles(); ++i) {
      const std::int64_t length = split.begin(i + 1) - split.begin(i);
      const std::size_t slot = RowSplit<Most>::slot(length);
      REQUIRE(slot < static_cast<std::size_t>(RowSplit<Most>::kSlots));
      CHECK(RowSplit<Most>::length(static_cast<int>(slot)) == length);
      slots.insert(static_cast<std::int64_t>(slot));
      if (length % 2 == 0) {
        shortest = std::min(shortest, length);
        longest = std::max(longest, length);
      }
    }
    CHECK(longest - std::min(shortest, longest) <= 2);
    CHECK(split.tiles() <= (width + Most - 1) / Most + 1);
  }
  CHECK(slots.size() == static_cast<std::size_t>(RowSplit<Most>::kSlots));
}

}  // namespace

TEST_CASE("a row is cut into about equal even tiles, and one of 1 or 3 where it is odd", "[conv3d]") {
  check_rows<4>();
  check_rows<12>();
  check_rows<14>();
  check_rows<28>();
}

}  // namespace vox
