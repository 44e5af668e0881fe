#pragma once

#include <cstdint>

#include "kernels/simt/options.h"

namespace vox::simt {

/// A row of A or a column of B: what is multiplied, and the exponents that products are aligned by.
struct Factors {
  static constexpr int kMost = 16;
  float value[kMost];
  std::int32_t exponent[kMost];

  void set(unsigned k, float);  ///< bf16 or tf32: a product of two is exact in double
};

/// One value of mma.sync's D: c + a[0]*b[0] + ... + a[depth-1]*b[depth-1]. depth is 16 for bf16 and 8 for tf32.
[[nodiscard]] float add_products(TensorCore, const Factors& a, const Factors& b, float c, int depth);

}  // namespace vox::simt
