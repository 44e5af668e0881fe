#include "kernels/shrink_labels.h"

#include "kernels/base/parallel.h"

namespace vox {

/// A task is a plane of y.
template <class T> void shrink_labels(IsaQueue& q, const ShrinkLabelsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const std::int64_t f = a.factor;
  parallel_for(q, s.n * s.d, [&](std::int64_t plane) {
    const T* const x = a.x.data() + (plane * f + f / 2) * (s.h * f) * (s.w * f);
    T* const y = a.y.data() + plane * s.h * s.w;
    for (std::int64_t h = 0; h < s.h; ++h) {
      const T* const from = x + (h * f + f / 2) * (s.w * f) + f / 2;
      for (std::int64_t w = 0; w < s.w; ++w) { y[h * s.w + w] = from[w * f]; }
    }
  });
}

template void shrink_labels(IsaQueue&, const ShrinkLabelsArgs<std::uint8_t>&);

}  // namespace vox
