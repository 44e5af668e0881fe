#include "kernels/layout.h"

#include "kernels/base/parallel.h"

namespace vox {

template <class T> void to_blocked(IsaQueue& q, const ToBlockedArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const std::int64_t voxels = s.voxels();
  parallel_for(q, s.n * s.blocks(), [&](std::int64_t i) {
    const std::int64_t n = i / s.blocks();
    const std::int64_t block = i % s.blocks();
    const std::int64_t present = s.channels_in(block);
    T* const to = a.blocked.data() + s.offset(n, block, 0);
    const T* const from = a.plain.data() + (n * s.c + block * kBlock8) * voxels;
    for (std::int64_t v = 0; v < voxels; ++v) {
      for (std::int64_t c = 0; c < kBlock8; ++c) { to[v * kBlock8 + c] = c < present ? from[c * voxels + v] : T{}; }
    }
  });
}

template <class T> void to_plain(IsaQueue& q, const ToPlainArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const std::int64_t voxels = s.voxels();
  parallel_for(q, s.n * s.c, [&](std::int64_t i) {
    const T* const from = a.blocked.data() + s.at(i / s.c, i % s.c, 0);
    T* const to = a.plain.data() + i * voxels;
    for (std::int64_t v = 0; v < voxels; ++v) { to[v] = from[v * kBlock8]; }
  });
}

VOX_INSTANTIATE(IsaQueue, to_blocked, ToBlockedArgs);
VOX_INSTANTIATE(IsaQueue, to_plain, ToPlainArgs);

}  // namespace vox
