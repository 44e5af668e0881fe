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
  for_voxels(q, a.shape, [lanes, x = a.x.data(), y = a.y.data()](std::int64_t at) {
    typename SoftmaxLanes<T>::Scale scale;
    lanes.find_scale(x + at, scale);
    const Lanes<Acc<T>> inverse = Acc<T>{1} / scale.sum;
    for (std::int64_t b = 0; b < lanes.blocks(); ++b) {
      Lanes<Acc<T>> e;
      lanes.exponentials(x + at, b, scale, e);
      store_lanes<T>(y + at + b * lanes.stride(), e * inverse);
    }
  });
}

template <class T> void softmax_backward(IsaQueue& q, const SoftmaxGradArgs<T>& a) {
  const std::int64_t end = a.shape.blocks() * a.shape.voxels() * kBlock8;
  const std::int64_t stride = a.shape.voxels() * kBlock8;
  for_voxels(q, a.shape, [=, y = a.y.data(), dy = a.dy.data(), dx = a.dx.data()](std::int64_t at) {
    Lanes<Acc<T>> y_lanes;
    Lanes<Acc<T>> dy_lanes;
    Lanes<Acc<T>> mean{};
    for (std::int64_t i = at; i < at + end; i += stride) {
      load_lanes(y + i, y_lanes);
      load_lanes(dy + i, dy_lanes);
      mean += y_lanes * dy_lanes;
    }
    spread_sum(mean);
    for (std::int64_t i = at; i < at + end; i += stride) {
      load_lanes(y + i, y_lanes);
      load_lanes(dy + i, dy_lanes);
      store_lanes<T>(dx + i, y_lanes * (dy_lanes - mean));
    }
  });
}

VOX_INSTANTIATE(IsaQueue, softmax_forward, SoftmaxArgs);
VOX_INSTANTIATE(IsaQueue, softmax_backward, SoftmaxGradArgs);

}  // namespace vox
