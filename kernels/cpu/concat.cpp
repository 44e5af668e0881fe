#include "kernels/concat.h"

#include <algorithm>

#include "kernels/base/chunks.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

/// Channels of a blocked volume: channel_count of them from first_channel on.
template <class T> struct Source {
  const T* data;
  VolumeShape shape;
  std::int64_t first_channel;
  std::int64_t channel_count;
};

/// Where a channel of case n lies when the sources' channels are counted one after the other: its value at voxel 0, the
/// next voxel kBlock8 further on.
template <class T> const T* channel_at(std::span<const Source<T>> sources, std::int64_t n, std::int64_t channel) {
  for (const Source<T>& s : sources) {
    if (channel < s.channel_count) { return s.data + s.shape.at(n, s.first_channel + channel, 0); }
    channel -= s.channel_count;
  }
  return nullptr;  // a padding channel
}

/// Fills a blocked volume with the channels of the sources. Where the eight lanes of a block lie side by side in one
/// source, whole blocks are copied; elsewhere each lane is picked on its own.
template <class T>
void gather_channels(const IsaQueue& q, std::span<const Source<T>> sources, const VolumeShape& shape, T* to) {
  const VoxelChunks chunks = chunks_of_blocks(shape);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i) / shape.blocks();
    const std::int64_t block = chunks.row(i) % shape.blocks();
    const std::int64_t first = chunks.first(i) * kBlock8;
    const std::int64_t count = chunks.size(i) * kBlock8;
    T* const out = to + shape.offset(n, block, 0) + first;
    const T* lanes[kBlock8];
    for (std::int64_t c = 0; c < kBlock8; ++c) { lanes[c] = channel_at(sources, n, block * kBlock8 + c); }
    bool side_by_side = lanes[kBlock8 - 1] != nullptr;
    for (std::int64_t c = 1; c < kBlock8; ++c) { side_by_side = side_by_side && lanes[c] == lanes[0] + c; }
    if (side_by_side) {
      std::copy_n(lanes[0] + first, count, out);
      return;
    }
    for (std::int64_t c = 0; c < kBlock8; ++c) {
      if (lanes[c] == nullptr) {
        for (std::int64_t e = 0; e < count; e += kBlock8) { out[e + c] = T{}; }
      } else {
        const T* const from = lanes[c] + first;
        for (std::int64_t e = 0; e < count; e += kBlock8) { out[e + c] = from[e]; }
      }
    }
  });
}

VolumeShape joined(VolumeShape a, const VolumeShape& b) {
  a.c += b.c;
  return a;
}

}  // namespace

template <class T> void concat_forward(IsaQueue& q, const ConcatArgs<T>& args) {
  const Source<T> sources[] = {{args.a.data(), args.a_shape, 0, args.a_shape.c},
                               {args.b.data(), args.b_shape, 0, args.b_shape.c}};
  gather_channels<T>(q, sources, joined(args.a_shape, args.b_shape), args.y.data());
}

template <class T> void concat_backward(IsaQueue& q, const ConcatGradArgs<T>& args) {
  const VolumeShape shape = joined(args.a_shape, args.b_shape);
  if (!args.da.empty()) {
    const Source<T> sources[] = {{args.dy.data(), shape, 0, args.a_shape.c}};
    gather_channels<T>(q, sources, args.a_shape, args.da.data());
  }
  if (!args.db.empty()) {
    const Source<T> sources[] = {{args.dy.data(), shape, args.a_shape.c, args.b_shape.c}};
    gather_channels<T>(q, sources, args.b_shape, args.db.data());
  }
}

VOX_INSTANTIATE(IsaQueue, concat_forward, ConcatArgs);
VOX_INSTANTIATE(IsaQueue, concat_backward, ConcatGradArgs);

}  // namespace vox
