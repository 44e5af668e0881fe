#pragma once

#include <array>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/chunks.h"
#include "kernels/base/parallel.h"
#include "kernels/base/queue.h"

// What normalisations share: values per lane of a block, and passes over the chunks of kernels/base/chunks.h.

namespace vox {
namespace {

constexpr std::int64_t kLanes = 4 * kBlock8;  // running sums of a chunk: four voxels at once hide the adder's latency

template <class A> using Lanes = std::array<A, kBlock8>;

/// The eight values of a block of a [C] vector; padding lanes hold 0.
template <class A> Lanes<A> lanes_of(std::span<const A> values, std::int64_t block) {
  Lanes<A> lanes{};
  const std::int64_t first = block * kBlock8;
  for (std::int64_t c = 0; c < kBlock8 && first + c < std::ssize(values); ++c) {
    lanes[static_cast<std::size_t>(c)] = values[static_cast<std::size_t>(first + c)];
  }
  return lanes;
}

template <class A> void fold(const A (&sums)[kLanes], double (&total)[kBlock8]) {
  for (std::int64_t c = 0; c < kBlock8; ++c) {
    total[c] = 0;
    for (std::int64_t i = c; i < kLanes; i += kBlock8) { total[c] += static_cast<double>(sums[i]); }
  }
}

struct Chunk {
  std::int64_t number;
  std::int64_t n;      ///< its case
  std::int64_t block;  ///< of channels
  std::int64_t first;  ///< element of the volume batch
  std::int64_t count;  ///< of elements, a multiple of eight
};

/// Calls body(chunk) for every chunk.
template <class Body> void for_chunks(const IsaQueue& q, const VolumeShape& s, const Body& body) {
  const VoxelChunks chunks = chunks_of_blocks(s);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i) / s.blocks();
    const std::int64_t block = chunks.row(i) % s.blocks();
    body(Chunk{.number = i,
               .n = n,
               .block = block,
               .first = s.offset(n, block, chunks.first(i)),
               .count = chunks.size(i) * kBlock8});
  });
}

}  // namespace
}  // namespace vox
