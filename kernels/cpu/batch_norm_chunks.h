#pragma once

#include <cmath>

#include "kernels/batch_norm.h"
#include "kernels/cpu/chunk_lanes.h"

// What the passes of batch norm share: each goes over the chunks of kernels/base/chunks.h.

namespace vox {
namespace {

/// NaN where the variance is infinite: 0 would make every value beta, and what has overflowed would never be seen.
template <class A> A inverse_deviation(A variance, double eps) {
  const auto exact = static_cast<double>(variance);
  return static_cast<A>(1 / (std::isinf(exact) ? NAN : std::sqrt(exact + eps)));
}

/// The [C] values of a group among those of all groups.
template <class A> std::span<A> of_group(std::span<A> values, std::int64_t group, const VolumeShape& s) {
  return values.subspan(static_cast<std::size_t>(group * s.c), static_cast<std::size_t>(s.c));
}

/// Calls body(partials of the chunk, voxels of the chunk) for the chunks of one block in the cases [first,last), in
/// order.
template <class Body>
void over_partials(const VolumeShape& s, std::span<const double> partials, std::int64_t block, std::int64_t first,
                   std::int64_t last, const Body& body) {
  const VoxelChunks chunks = chunks_of_blocks(s);
  for (std::int64_t n = first; n < last; ++n) {
    for (std::int64_t k = 0; k < chunks.per_row(); ++k) {
      const std::int64_t i = (n * s.blocks() + block) * chunks.per_row() + k;
      body(partials.data() + i * 2 * kBlock8, chunks.size(i));
    }
  }
}

}  // namespace
}  // namespace vox
