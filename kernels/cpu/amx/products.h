#pragma once

#include <cstdint>

// The products that an output tile of conv3d is the sum of.

namespace vox {
namespace {

/// One product of tiles: where A lies behind the first row of the output tile, and B among the packed tiles. In bytes.
struct Product {
  std::int32_t a;
  std::int32_t b;
};

/// Those of a plane of A, which for the `planes` planes of a sum are the same: from one to the next, B goes on by
/// `b_plane` bytes, and plane i of A lies at a_plane[i].
struct Products {
  const Product* all;
  std::int64_t count;
  std::int64_t row_bytes;  ///< of A
  std::int64_t planes = 1;
  std::int64_t b_plane = 0;
  std::int64_t a_plane[3] = {};
};

/// Where four tiles of sums come from, `step` floats apart, and go to. The bias is a tile whose rows are one.
struct Sums {
  const float* from;
  std::int64_t from_row;  ///< bytes
  std::int64_t step;
  float* to;
};

/// Products between two tile stores. Measured on Sapphire Rapids: a tile store that follows none for 600 ns takes 250
/// to 300 ns, another one 5 ns. So longer loops now and then store a tile that nobody reads, to where the sums will go.
constexpr std::int64_t kAwake = 24;

/// What else is done between products: in small turns nearly free, since the multiplier keeps few other units busy.
struct Nothing {
  void step() const {}
};

}  // namespace
}  // namespace vox
