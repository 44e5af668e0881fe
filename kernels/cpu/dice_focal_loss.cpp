#include "kernels/dice_focal_loss.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "kernels/base/parallel.h"
#include "kernels/cpu/dice_focal_gradient.h"
#include "kernels/cpu/dice_focal_wide.h"
#include "kernels/cpu/loss_cases.h"
#include "kernels/cpu/simd/softmax_lanes.h"

namespace vox {
namespace {

template <class A> constexpr LaneMask<A> kLaneNumbers = {0, 1, 2, 3, 4, 5, 6, 7};

constexpr std::int64_t kShort = 256;  // voxels summed in the accumulator type before double takes over

/// Probabilities of the voxels of one run, with what its labels need.
template <class T> class Run {
 public:
  using A = Acc<T>;

  Run(const DiceFocalSumsArgs<T>& a, std::int64_t n, std::int64_t first, std::int64_t voxels)
      : lanes_(a.shape),
        a_(a),
        x_(a.x.data() + a.shape.offset(n, 0, first)),
        labels_(a.labels.data() + n * a.shape.voxels() + first),
        voxels_(voxels) {}

  void add_to(double* rows) {
    for (std::int64_t b = 0; b < lanes_.blocks(); ++b) { add_block(b, rows + b * kDiceRows * kBlock8); }
    add_labels(rows + lanes_.blocks() * kDiceRows * kBlock8);
  }

 private:
  void add_block(std::int64_t b, double* rows) {
    Lanes<A> all{};
    Lanes<A> hits{};
    LaneMask<A> count{};
    for (std::int64_t v = 0; v < voxels_; ++v) {
      Lanes<A> p;
      auto& scale = scales_[static_cast<std::size_t>(v)];
      const T* const x = x_ + v * kBlock8;
      if (b == 0) { lanes_.find_scale(x, scale); }
      lanes_.exponentials(x, b, scale, p);
      p *= A{1} / scale.sum;
      const std::int64_t label = labels_[v] - b * kBlock8;
      const LaneMask<A> hit = kLaneNumbers<A> == static_cast<LaneInt<A>>(label);
      all += p;
      hits += hit ? p : Lanes<A>{};
      count -= hit;  // true is -1
      if (label >= 0 && label < kBlock8) { p_labels_[static_cast<std::size_t>(v)] = p[label]; }
    }
    for (std::int64_t c = 0; c < kBlock8; ++c) {
      rows[c] += static_cast<double>(all[c]);
      rows[kBlock8 + c] += static_cast<double>(hits[c]);
      rows[2 * kBlock8 + c] += static_cast<double>(count[c]);
    }
  }

  void add_labels(double* row) const {
    const auto focal = focal_of<A>(a_.terms.gamma, a_.terms.clip);
    for (std::int64_t v = 0; v < voxels_; ++v) {
      const double weight = a_.weights[labels_[v]];
      if (weight == 0) { continue; }
      const auto i = static_cast<std::size_t>(v);
      if (a_.terms.focal != 0) { row[0] += weight * static_cast<double>(focal.value(p_labels_[i])); }
      if (a_.terms.cross_entropy != 0) {
        const A logit = load(x_[v * kBlock8 + labels_[v] / kBlock8 * lanes_.stride() + labels_[v] % kBlock8]);
        row[1] += weight * static_cast<double>(std::log(scales_[i].sum[0]) - (logit - scales_[i].top[0]));
      }
      row[2] += weight;
    }
  }

  SoftmaxLanes<T> lanes_;
  std::array<typename SoftmaxLanes<T>::Scale, kShort> scales_;
  const DiceFocalSumsArgs<T>& a_;
  const T* x_;
  const std::uint8_t* labels_;
  std::int64_t voxels_;
  std::array<A, kShort> p_labels_;
};

/// Adds up every chunk. As many of its first voxels as start(x, labels, voxels, rows) adds are left to that.
template <class T, class Start> void sum_chunks(const IsaQueue& q, const DiceFocalSumsArgs<T>& a, const Start& start) {
  const VoxelChunks chunks = chunks_of_cases(a.shape);
  const std::int64_t doubles = dice_focal_rows(a.shape.blocks()) * kBlock8;
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    double* const rows = a.partials.data() + i * doubles;
    std::fill_n(rows, doubles, 0.0);
    const std::int64_t n = chunks.row(i);
    const std::int64_t first = chunks.first(i);
    std::int64_t v = start(a.x.data() + a.shape.offset(n, 0, first), a.labels.data() + n * a.shape.voxels() + first,
                           chunks.size(i), rows);
    for (; v < chunks.size(i); v += kShort) {
      Run<T>(a, n, first + v, std::min(kShort, chunks.size(i) - v)).add_to(rows);
    }
  });
}

DiceFocalSums group_sums(std::span<const double> sums, std::int64_t blocks, std::int64_t group) {
  return {.rows = sums.data() + group * dice_focal_rows(blocks) * kBlock8, .blocks = blocks};
}

double loss_of(const DiceFocalTerms& terms, std::span<const double> weights, std::span<const double> sums,
               std::int64_t channels) {
  double scores = 0;
  double focal = 0;
  double entropy = 0;
  for (std::int64_t g = 0; g < terms.groups; ++g) {
    const DiceFocalSums of = group_sums(sums, channel_blocks(channels), g);
    for (std::int64_t c = terms.dice_from; c < channels; ++c) {
      scores += weights[static_cast<std::size_t>(c)] * of.over(c, terms.smooth) / of.under(c, terms.smooth);
    }
    focal += of.focal();
    entropy += of.mean_entropy();
  }
  return dice_focal_loss_of(terms, scores, focal, entropy);
}

/// dx of one voxel at a time.
template <class T> class VoxelGradient {
 public:
  using A = Acc<T>;

  VoxelGradient(const SoftmaxLanes<T>& lanes, const ClassGradients<A>& classes, const Focal<A>& focal)
      : lanes_(lanes), classes_(classes), focal_(focal) {}

  [[gnu::always_inline]] void write(const T* x, std::uint8_t label, T* dx) {
    lanes_.find_scale(x, scale_);
    Lanes<A> p;
    Lanes<A> miss;
    probabilities(x, label / kBlock8, p);
    const A p_label = p[label % kBlock8];
    A at_label = classes_.more[label];
    if (classes_.focal[label] != 0) { at_label += classes_.focal[label] * focal_.slope(p_label); }
    Lanes<A> mean{};
    for (std::int64_t b = 0; b < lanes_.blocks(); ++b) {
      probabilities(x, b, p);
      load_lanes(classes_.miss.data() + b * kBlock8, miss);
      mean += p * miss;
    }
    spread_sum(mean);
    mean += p_label * at_label;
    for (std::int64_t b = 0; b < lanes_.blocks(); ++b) {
      probabilities(x, b, p);
      load_lanes(classes_.miss.data() + b * kBlock8, miss);
      const LaneMask<A> is_label = kLaneNumbers<A> == static_cast<LaneInt<A>>(label - b * kBlock8);
      const Lanes<A> more = is_label ? Lanes<A>{} + at_label : Lanes<A>{};
      const Lanes<A> one = is_label ? Lanes<A>{} + A{1} : Lanes<A>{};
      store_lanes<T>(dx + b * lanes_.stride(), p * (miss + more - mean) + classes_.entropy[label] * (p - one));
    }
  }

 private:
  [[gnu::always_inline]] void probabilities(const T* x, std::int64_t b, Lanes<A>& p) const {
    lanes_.exponentials(x, b, scale_, p);
    p *= A{1} / scale_.sum;
  }

  const SoftmaxLanes<T>& lanes_;
  const ClassGradients<A>& classes_;
  Focal<A> focal_;
  typename SoftmaxLanes<T>::Scale scale_;
};

/// As many of a chunk's first voxels as start(classes, focal, x, labels, voxels, dx) writes are left to that.
template <class T, class Start>
void write_gradient(const IsaQueue& q, const DiceFocalLossGradArgs<T>& a, const Start& start) {
  const VoxelChunks chunks = chunks_of_cases(a.shape);
  const SoftmaxLanes<T> lanes(a.shape);
  const auto focal = focal_of<Acc<T>>(a.terms.gamma, a.terms.clip);
  parallel_for(q, chunks.count(), [&](std::int64_t i) {
    const std::int64_t n = chunks.row(i);
    const T* const x = a.x.data() + a.shape.offset(n, 0, chunks.first(i));
    const std::uint8_t* const labels = a.labels.data() + n * a.shape.voxels() + chunks.first(i);
    T* const dx = a.dx.data() + a.shape.offset(n, 0, chunks.first(i));
    const ClassGradients<Acc<T>> classes(a.terms, group_sums(a.sums, a.shape.blocks(), a.terms.groups == 1 ? 0 : n),
                                         a.weights, static_cast<double>(a.dy[0]));
    VoxelGradient<T> voxel(lanes, classes, focal);
    for (std::int64_t v = start(classes, focal, x, labels, chunks.size(i), dx); v < chunks.size(i); ++v) {
      voxel.write(x + v * kBlock8, labels[v], dx + v * kBlock8);
    }
  });
}

}  // namespace

template <class T> void dice_focal_case_sums(IsaQueue& q, const DiceFocalSumsArgs<T>& a) {
  const VolumeShape& s = a.shape;
  assert(std::ssize(a.partials) == dice_focal_partials(s));
  if (s.blocks() == 1) {
    on_width(s.c, [&](auto k) {
      const DiceFocalWide<T, k> wide(a);
      sum_chunks(q, a, [&](const T* x, const std::uint8_t* labels, std::int64_t voxels, double* rows) {
        const std::int64_t whole = voxels - voxels % kWide<Acc<T>>;
        wide.add(x, labels, whole, rows);
        return whole;
      });
    });
  } else {
    sum_chunks(q, a, [](auto&&...) { return std::int64_t{0}; });
  }
  const std::int64_t doubles = dice_focal_rows(s.blocks()) * kBlock8;
  const VoxelChunks chunks = chunks_of_cases(s);
  std::fill(a.case_sums.begin(), a.case_sums.end(), 0.0);
  for (std::int64_t i = 0; i < chunks.count(); ++i) {
    const double* const from = a.partials.data() + i * doubles;
    double* const to = a.case_sums.data() + chunks.row(i) * doubles;
    for (std::int64_t k = 0; k < doubles; ++k) { to[k] += from[k]; }
  }
}

template <class T> void dice_focal_loss_forward(IsaQueue&, const DiceFocalLossArgs<T>& a) {
  add_cases(a.case_sums, a.sums);
  a.loss[0] = static_cast<Acc<T>>(loss_of(a.terms, a.weights, a.sums, a.channels));
}

template <class T> void dice_focal_loss_backward(IsaQueue& q, const DiceFocalLossGradArgs<T>& a) {
  if (a.shape.blocks() > 1) {
    return write_gradient(q, a, [](auto&&...) { return std::int64_t{0}; });
  }
  on_width(a.shape.c, [&](auto k) {
    const SoftmaxWide<T, k> softmax(a.shape.c);
    const bool has_focal = a.terms.focal != 0;
    write_gradient(q, a,
                   [&](const ClassGradients<Acc<T>>& classes, const Focal<Acc<T>>& focal, const T* x,
                       const std::uint8_t* labels, std::int64_t voxels, T* dx) {
                     std::int64_t v = 0;
                     for (; v + kWide<Acc<T>> <= voxels; v += kWide<Acc<T>>) {
                       write_wide_gradient<T, k>(softmax, classes, focal, has_focal, x + v * kBlock8, labels + v,
                                                 dx + v * kBlock8);
                     }
                     return v;
                   });
  });
}

VOX_INSTANTIATE(IsaQueue, dice_focal_case_sums, DiceFocalSumsArgs);
VOX_INSTANTIATE(IsaQueue, dice_focal_loss_forward, DiceFocalLossArgs);
VOX_INSTANTIATE(IsaQueue, dice_focal_loss_backward, DiceFocalLossGradArgs);

}  // namespace vox
