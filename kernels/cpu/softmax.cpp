#include "kernels/softmax.h"

#include "kernels/chunks.h"
#include "kernels/cpu/softmax_lanes.h"
#include "kernels/parallel.h"

namespace vox {
namespace {

/// Calls body(first element of block 0) for every voxel.
template <class Body> void for_voxels(const IsaQueue& q, const VolumeShape& s, const Body& body) {
  const VoxelChunks chunks = chunks_of_cases(s);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t first = s.offset(chunks.row(i), 0, chunks.first(i));
    for (std::int64_t v = 0; v < chunks.size(i); ++v) { body(first + v * kBlock8); }
  });
}

}  // namespace

template <class T> void softmax_forward(IsaQueue& q, const SoftmaxArgs<T>& a) {
  const SoftmaxLanes<T> lanes(a.shape);
  for_voxels(q, a.shape, [&, x = a.x.data(), y = a.y.data()](std::int64_t at) {
    const auto [top, sum] = lanes.scale(x + at);
    const Acc<T> inverse = 1 / sum;
    for (std::int64_t b = 0; b < lanes.blocks(); ++b) {
      Acc<T> e[kBlock8];
      lanes.exponentials(x + at, b, top, e);
      T* const out = y + at + b * lanes.stride();
      for (std::int64_t c = 0; c < kBlock8; ++c) { out[c] = store<T>(e[c] * inverse); }
    }
  });
}

template <class T> void softmax_backward(IsaQueue& q, const SoftmaxGradArgs<T>& a) {
  const std::int64_t blocks = a.shape.blocks();
  const std::int64_t stride = a.shape.voxels() * kBlock8;
  for_voxels(q, a.shape, [=, y = a.y.data(), dy = a.dy.data(), dx = a.dx.data()](std::int64_t at) {
    Acc<T> products[kBlock8]{};
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t i = at + b * stride;
      for (std::int64_t c = 0; c < kBlock8; ++c) { products[c] += load(y[i + c]) * load(dy[i + c]); }
    }
    const Acc<T> mean = total(products);
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t i = at + b * stride;
      for (std::int64_t c = 0; c < kBlock8; ++c) { dx[i + c] = store<T>(load(y[i + c]) * (load(dy[i + c]) - mean)); }
    }
  });
}

VOX_INSTANTIATE(IsaQueue, softmax_forward, SoftmaxArgs);
VOX_INSTANTIATE(IsaQueue, softmax_backward, SoftmaxGradArgs);

}  // namespace vox
