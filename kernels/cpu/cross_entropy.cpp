#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/base/parallel.h"
#include "kernels/cpu/simd/softmax_lanes.h"
#include "kernels/cpu/simd/softmax_wide.h"

namespace vox {
namespace {

/// Adds to out[kCrossEntropySums] what some voxels of one block add, a multiple of kWide.
template <class T, int K>
void add_wide(const SoftmaxWide<T, K>& softmax, const double (&weights)[kBlock8], const T* x,
              const std::uint8_t* labels, std::int64_t voxels, double* out) {
  using A = Acc<T>;
  WideChannels<A, K> loss{};
  Registers<LaneInt<A>, kWide<A>, K> count{};
  for (std::int64_t v = 0; v < voxels; v += kWide<A>) {
    WideChannels<A, K> logits;
    WideChannels<A, K> e;
    Wide<A> sum;
    softmax.exponentials(x + v * kBlock8, logits, e, sum);
    log_positive(sum);
    WideInt<A> label;
    read_labels(labels + v, label);
    unrolled<K>([&](auto c) VOX_INLINED {
      const WideInt<A> is_label = label == LaneInt<A>{c};
      loss[c] = is_label ? loss[c] + (sum - logits[c]) : loss[c];
      count[c] = is_label ? count[c] + 1 : count[c];
    });
  }
  for (std::size_t c = 0; c < K; ++c) {
    if (weights[c] == 0) { continue; }
    for (int i = 0; i < kWide<A>; ++i) {
      out[0] += weights[c] * static_cast<double>(loss[c][i]);
      out[1] += weights[c] * static_cast<double>(count[c][i]);
    }
  }
}

/// dx of kWide voxels; factor: what softmax - onehot is multiplied by where the label is the class.
template <class T, int K>
VOX_INLINED inline void write_wide(const SoftmaxWide<T, K>& softmax, const Acc<T> (&factors)[kBlock8], const T* x,
                                   const std::uint8_t* labels, T* dx) {
  using A = Acc<T>;
  WideChannels<A, K> logits;
  WideChannels<A, K> e;
  Wide<A> sum;
  softmax.exponentials(x, logits, e, sum);
  WideInt<A> label;
  read_labels(labels, label);
  Wide<A> factor{};
  unrolled<K>([&](auto c) VOX_INLINED { factor = label == LaneInt<A>{c} ? Wide<A>{} + factors[c] : factor; });
  const Wide<A> softmax_factor = factor / sum;
  unrolled<K>([&](auto c)
                  VOX_INLINED { e[c] = e[c] * softmax_factor - (label == LaneInt<A>{c} ? factor : Wide<A>{}); });
  WideBlock<T, K>::write(e, dx);
}

/// Voxels of a run that are computed kWide at a time.
template <class T> std::int64_t wide_voxels(const VolumeShape& s, std::int64_t voxels) {
  return s.blocks() == 1 ? voxels - voxels % kWide<Acc<T>> : 0;
}

}  // namespace

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
    const std::int64_t rest = first + wide_voxels<T>(s, end - first);
    for (std::int64_t v = rest; v < end; ++v) {
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
    if (rest == first) { return; }
    double class_weights[kBlock8]{};
    std::copy(a.weights.begin(), a.weights.end(), class_weights);
    on_width(s.c, [&](auto k) {
      add_wide(SoftmaxWide<T, k>(s.c), class_weights, a.x.data() + s.offset(n, 0, first), labels + first, rest - first,
               out);
    });
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
    const auto factor_of = [&](double weight) {
      return static_cast<Acc<T>>(weight == 0 || total_weight == 0 ? 0.0 : share * weight / total_weight);
    };
    const std::int64_t rest = first + wide_voxels<T>(s, end - first);
    if (rest > first) {
      Acc<T> factors[kBlock8]{};
      std::transform(a.weights.begin(), a.weights.end(), factors, factor_of);
      on_width(s.c, [&](auto k) {
        const SoftmaxWide<T, k> softmax(s.c);
        for (std::int64_t v = first; v < rest; v += kWide<Acc<T>>) {
          write_wide(softmax, factors, a.x.data() + s.offset(n, 0, v), labels + v, a.dx.data() + s.offset(n, 0, v));
        }
      });
    }
    for (std::int64_t v = rest; v < end; ++v) {
      const T* const x = a.x.data() + s.offset(n, 0, v);
      T* const dx = a.dx.data() + s.offset(n, 0, v);
      const Acc<T> factor = factor_of(a.weights[labels[v]]);
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
