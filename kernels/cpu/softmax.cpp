#include "kernels/softmax.h"

#include "kernels/base/chunks.h"
#include "kernels/base/parallel.h"
#include "kernels/cpu/simd/softmax_lanes.h"
#include "kernels/cpu/simd/softmax_wide.h"

namespace vox {
namespace {

/// Calls body(first element of block 0, voxels) for the runs of voxels that are one task.
template <class Body> void for_runs(const IsaQueue& q, const VolumeShape& s, const Body& body) {
  const VoxelChunks chunks = chunks_of_cases(s);
  parallel_for(q, chunks.count(),
               [&](std::int64_t i) { body(s.offset(chunks.row(i), 0, chunks.first(i)), chunks.size(i)); });
}

template <class T> [[gnu::always_inline]] inline void softmax_voxel(const SoftmaxLanes<T>& lanes, const T* x, T* y) {
  typename SoftmaxLanes<T>::Scale scale;
  lanes.find_scale(x, scale);
  const Lanes<Acc<T>> inverse = Acc<T>{1} / scale.sum;
  for (std::int64_t b = 0; b < lanes.blocks(); ++b) {
    Lanes<Acc<T>> e;
    lanes.exponentials(x, b, scale, e);
    store_lanes<T>(y + b * lanes.stride(), e * inverse);
  }
}

template <class T, int K> VOX_INLINED inline void softmax_voxels(const SoftmaxWide<T, K>& wide, const T* x, T* y) {
  WideChannels<Acc<T>, K> logits;
  WideChannels<Acc<T>, K> e;
  Wide<Acc<T>> sum;
  wide.exponentials(x, logits, e, sum);
  const Wide<Acc<T>> inverse = Acc<T>{1} / sum;
  unrolled<K>([&](auto c) VOX_INLINED { e[c] *= inverse; });
  WideBlock<T, K>::write(e, y);
}

}  // namespace

template <class T> void softmax_forward(IsaQueue& q, const SoftmaxArgs<T>& a) {
  const SoftmaxLanes<T> lanes(a.shape);
  const auto one_by_one = [&](std::int64_t at, std::int64_t voxels) {
    for (std::int64_t v = 0; v < voxels; ++v) {
      softmax_voxel(lanes, a.x.data() + at + v * kBlock8, a.y.data() + at + v * kBlock8);
    }
  };
  if (a.shape.blocks() > 1) { return for_runs(q, a.shape, one_by_one); }
  on_width(a.shape.c, [&](auto k) {
    const SoftmaxWide<T, k> wide(a.shape.c);
    for_runs(q, a.shape, [&](std::int64_t at, std::int64_t voxels) {
      std::int64_t v = 0;
      for (; v + kWide<Acc<T>> <= voxels; v += kWide<Acc<T>>) {
        softmax_voxels(wide, a.x.data() + at + v * kBlock8, a.y.data() + at + v * kBlock8);
      }
      one_by_one(at + v * kBlock8, voxels - v);
    });
  });
}

template <class T> void softmax_backward(IsaQueue& q, const SoftmaxGradArgs<T>& a) {
  const std::int64_t stride = a.shape.voxels() * kBlock8;
  const std::int64_t end = a.shape.blocks() * stride;
  for_runs(q, a.shape, [=, y = a.y.data(), dy = a.dy.data(), dx = a.dx.data()](std::int64_t first, std::int64_t n) {
    for (std::int64_t at = first; at < first + n * kBlock8; at += kBlock8) {
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
    }
  });
}

VOX_INSTANTIATE(IsaQueue, softmax_forward, SoftmaxArgs);
VOX_INSTANTIATE(IsaQueue, softmax_backward, SoftmaxGradArgs);

}  // namespace vox
