#pragma once

#include <cstdint>

// The products that an output tile of conv3d is the sum of.

namespace vox {
namespace {

/// One product of tiles A * B. In bytes: where A begins, counted from where the output tile's first row begins in the
/// staged plane, and where B begins among the packed tiles.
struct Product {
  std::int32_t a;
  std::int32_t b;
};

/// The products of one output tile. A tile is a sum over `planes` planes of A, and the list `all` holds the products of
/// one plane: it is the same for each. Plane i of A begins at a_plane[i], its tiles of B `i * b_plane` bytes after
/// those of plane 0.
struct Products {
  const Product* all;
  std::int64_t count;
  std::int64_t row_bytes;  ///< of A
  std::int64_t planes = 1;
  std::int64_t b_plane = 0;
  std::int64_t a_plane[3] = {};
};

/// Where up to four tiles of sums are loaded from, `step` floats apart, and stored to. A bias is loaded as a tile all
/// of whose rows are the same memory: from_row is 0.
struct Sums {
  const float* from;
  std::int64_t from_row;  ///< bytes
  std::int64_t step;
  float* to;
};

/// Products between two tile stores. Measured on Sapphire Rapids: a tile store that follows none for 600 ns takes 250
/// to 300 ns, another one 5 ns. So longer loops now and then store a tile that nobody reads, to where the sums will go.
constexpr std::int64_t kAwake = 24;

/// Work between the products, a small turn per step(): nearly free, since the multiplier keeps few other units busy.
/// This is the one that does nothing.
struct Nothing {
  void step() const {}
};

}  // namespace
}  // namespace vox
