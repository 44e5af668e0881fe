#include "kernels/layout.h"

#include <algorithm>

#include "kernels/base/parallel.h"

namespace vox {
namespace {

constexpr std::int64_t kPart = 256;  // voxels at a time: of f32 8 KiB in blocks, which stay in the first cache

/// Calls body(case, block of channels, channels in it, first voxel, voxels) for parts of the volumes, on every thread.
template <class Body> void for_each_part(IsaQueue& q, const VolumeShape& s, const Body& body) {
  const std::int64_t voxels = s.voxels();
  const std::int64_t parts = (voxels + kPart - 1) / kPart;
  parallel_for(q, s.n * s.blocks() * parts, [&](std::int64_t task) {
    const std::int64_t block = task / parts % s.blocks();
    const std::int64_t first = task % parts * kPart;
    body(task / parts / s.blocks(), block, s.channels_in(block), first, std::min(kPart, voxels - first));
  });
}

}  // namespace

template <class T> void to_blocked(IsaQueue& q, const ToBlockedArgs<T>& a) {
  const VolumeShape& s = a.shape;
  for_each_part(q, s,
                [&](std::int64_t n, std::int64_t block, std::int64_t present, std::int64_t first, std::int64_t count) {
                  T* const to = a.blocked.data() + s.offset(n, block, 0) + first * kBlock8;
                  const T* const from = a.plain.data() + (n * s.c + block * kBlock8) * s.voxels() + first;
                  if (present < kBlock8) { std::fill_n(to, count * kBlock8, T{}); }
                  for (std::int64_t c = 0; c < present; ++c) {
                    const T* const channel = from + c * s.voxels();
                    for (std::int64_t v = 0; v < count; ++v) { to[v * kBlock8 + c] = channel[v]; }
                  }
                });
}

template <class T> void to_plain(IsaQueue& q, const ToPlainArgs<T>& a) {
  const VolumeShape& s = a.shape;
  for_each_part(q, s,
                [&](std::int64_t n, std::int64_t block, std::int64_t present, std::int64_t first, std::int64_t count) {
                  const T* const from = a.blocked.data() + s.offset(n, block, 0) + first * kBlock8;
                  T* const to = a.plain.data() + (n * s.c + block * kBlock8) * s.voxels() + first;
                  for (std::int64_t c = 0; c < present; ++c) {
                    T* const channel = to + c * s.voxels();
                    for (std::int64_t v = 0; v < count; ++v) { channel[v] = from[v * kBlock8 + c]; }
                  }
                });
}

VOX_INSTANTIATE(IsaQueue, to_blocked, ToBlockedArgs);
VOX_INSTANTIATE(IsaQueue, to_plain, ToPlainArgs);

}  // namespace vox
