#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/cpu/softmax_lanes.h"
#include "kernels/parallel.h"

namespace vox {

template <class T> void cross_entropy_forward(IsaQueue& q, const CrossEntropyArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const VoxelChunks chunks = chunks_of_cases(s);
  assert(std::ssize(a.partials) == cross_entropy_partials(s));
  const SoftmaxLanes<T> lanes(s);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i);
    const std::int64_t first = chunks.first(i);
    const std::int64_t end = first + chunks.size(i);
    const std::uint8_t* const labels = a.labels.data() + n * s.voxels();
    typename SoftmaxLanes<T>::Scale scale;
    double loss = 0;
    double weights = 0;
    for (std::int64_t v = first; v < end; ++v) {
      const double weight = a.weights[labels[v]];
      if (weight == 0) { continue; }
      lanes.find_scale(a.x.data() + s.offset(n, 0, v), scale);
      const Acc<T> x = load(a.x.data()[s.at(n, labels[v], v)]);
      loss += weight * static_cast<double>(std::log(scale.sum[0]) - (x - scale.top[0]));
      weights += weight;
    }
    double* const out = a.partials.data() + i * kCrossEntropySums;
    out[0] = loss;
    out[1] = weights;
  });
  std::fill(a.sums.begin(), a.sums.end(), 0.0);
  for (std::int64_t i = 0; i < chunks.count(); ++i) {
    double* const sums = a.sums.data() + (a.groups == 1 ? 0 : chunks.row(i)) * kCrossEntropySums;
    for (std::int64_t k = 0; k < kCrossEntropySums; ++k) { sums[k] += a.partials.data()[i * kCrossEntropySums + k]; }
  }
  double loss = 0;
  for (std::int64_t g = 0; g < a.groups; ++g) {
    const double* const sums = a.sums.data() + g * kCrossEntropySums;
    if (sums[1] != 0) { loss += sums[0] / sums[1]; }
  }
  a.loss[0] = static_cast<Acc<T>>(loss / static_cast<double>(a.groups));
}

template <class T> void cross_entropy_backward(IsaQueue& q, const CrossEntropyGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const VoxelChunks chunks = chunks_of_cases(s);
  const SoftmaxLanes<T> lanes(s);
  const double share = static_cast<double>(a.dy[0]) / static_cast<double>(a.groups);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i);
    const std::int64_t first = chunks.first(i);
    const std::int64_t end = first + chunks.size(i);
    const std::uint8_t* const labels = a.labels.data() + n * s.voxels();
    typename SoftmaxLanes<T>::Scale scale;
    const double total_weight = a.sums[static_cast<std::size_t>((a.groups == 1 ? 0 : n) * kCrossEntropySums + 1)];
    for (std::int64_t v = first; v < end; ++v) {
      const T* const x = a.x.data() + s.offset(n, 0, v);
      T* const dx = a.dx.data() + s.offset(n, 0, v);
      const double weight = a.weights[labels[v]];
      const auto factor = static_cast<Acc<T>>(weight == 0 ? 0.0 : share * weight / total_weight);
      lanes.find_scale(x, scale);
      const Lanes<Acc<T>> softmax_factor = factor / scale.sum;
      for (std::int64_t b = 0; b < lanes.blocks(); ++b) {
        Lanes<Acc<T>> e;
        lanes.exponentials(x, b, scale, e);
        const auto hit = static_cast<LaneInt<Acc<T>>>(labels[v] - b * kBlock8);
        const LaneMask<Acc<T>> is_label = LaneMask<Acc<T>>{0, 1, 2, 3, 4, 5, 6, 7} == hit;
        store_lanes<T>(dx + b * lanes.stride(),
                       e * softmax_factor - (is_label ? Lanes<Acc<T>>{} + factor : Lanes<Acc<T>>{}));
      }
    }
  });
}

VOX_INSTANTIATE(IsaQueue, cross_entropy_forward, CrossEntropyArgs);
VOX_INSTANTIATE(IsaQueue, cross_entropy_backward, CrossEntropyGradArgs);

}  // namespace vox
