#include "kernels/base/parallel.h"
#include "kernels/conv3d.h"

namespace vox {
namespace {

/// One thread owns one row of planes; every plane has its own partial sums, so the order never depends on the threads.
template <class T> void sum_plane(const T* dy, std::int64_t voxels, Acc<T>* sums) {
  Acc<T> sum[kBlock8] = {};
  for (std::int64_t v = 0; v < voxels; ++v) {
    for (std::int64_t c = 0; c < kBlock8; ++c) { sum[c] += load(dy[v * kBlock8 + c]); }
  }
  for (std::int64_t c = 0; c < kBlock8; ++c) { sums[c] = sum[c]; }
}

}  // namespace

template <class T> void conv3d_grad_bias(IsaQueue& q, const Conv3dGradBiasArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const std::int64_t planes = s.n * s.blocks() * s.d;
  const std::int64_t voxels = s.h * s.w;
  Acc<T>* const partial = a.scratch.data();
  parallel_for(q, planes,
               [&](std::int64_t p) { sum_plane(a.dy.data() + p * voxels * kBlock8, voxels, partial + p * kBlock8); });
  for (std::int64_t n = 0; n < s.n; ++n) {
    for (std::int64_t c = 0; c < s.c; ++c) {
      const Acc<T>* const of_block = partial + (n * s.blocks() + c / kBlock8) * s.d * kBlock8 + c % kBlock8;
      Acc<T> sum{0};
      for (std::int64_t d = 0; d < s.d; ++d) { sum += of_block[d * kBlock8]; }
      a.dbias.data()[n * s.c + c] = sum;
    }
  }
}

VOX_INSTANTIATE(IsaQueue, conv3d_grad_bias, Conv3dGradBiasArgs);

}  // namespace vox
