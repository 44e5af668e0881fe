#pragma once

#include <cstdint>

namespace vox::simt {

struct Runner;

/// One lane's share of the operands of mma.sync.
struct Fragments {
  const std::uint32_t* a;
  const std::uint32_t* b;
  const float* c;
};

void load_fragments(Runner&, unsigned first_lane);      ///< ldmatrix of a warp whose lanes all wait at it
void multiply_fragments(Runner&, unsigned first_lane);  ///< mma.sync, likewise

}  // namespace vox::simt
