#pragma once

#include <cmath>

#include "kernels/batch_norm.h"
#include "kernels/cpu/chunk_lanes.h"

// What the passes of batch norm share: each goes over the chunks of kernels/base/chunks.h.

namespace vox {
namespace {

template <class A> A inverse_deviation(A variance, double eps) {
  return static_cast<A>(1 / std::sqrt(static_cast<double>(variance) + eps));
}

/// Calls body(partials of the chunk, voxels of the chunk) for the chunks of one block, in order.
template <class Body>
void over_partials(const VolumeShape& s, std::span<const double> partials, std::int64_t block, const Body& body) {
  const VoxelChunks chunks = chunks_of_blocks(s);
  for (std::int64_t n = 0; n < s.n; ++n) {
    for (std::int64_t k = 0; k < chunks.per_row(); ++k) {
      const std::int64_t i = (n * s.blocks() + block) * chunks.per_row() + k;
      body(partials.data() + i * 2 * kBlock8, chunks.size(i));
    }
  }
}

}  // namespace
}  // namespace vox
