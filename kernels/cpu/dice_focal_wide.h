#pragma once

#include <array>
#include <cstdint>

#include "kernels/cpu/focal.h"
#include "kernels/cpu/softmax_wide.h"
#include "kernels/dice_focal_loss.h"

// The loss and its gradient for volumes of one block, kWide voxels at once.

namespace vox {
namespace {

/// Sums of softmax probabilities and of what the labels pick from them.
template <class T, int K> class DiceFocalWide {
  using A = Acc<T>;
  using V = Wide<A>;
  using Int = WideInt<A>;
  using Channels = WideChannels<A, K>;

 public:
  explicit DiceFocalWide(const DiceFocalLossArgs<T>& a)
      : softmax_(a.shape.c),
        focal_(focal_of<A>(a.terms.gamma, a.terms.clip)),
        has_focal_(a.terms.focal != 0),
        has_entropy_(a.terms.cross_entropy != 0) {
    for (std::size_t c = 0; c < a.weights.size(); ++c) { weights_[c] = static_cast<A>(a.weights[c]); }
  }

  /// Adds the sums of some voxels, a multiple of kWide and few enough for the accumulator type, to dice_focal_rows(1).
  void add(const T* x, const std::uint8_t* labels, std::int64_t voxels, double* rows) const {
    Channels all{};
    Channels hits{};
    Registers<LaneInt<A>, kWide<A>, K> count{};
    V focal{};
    V entropy{};
    for (std::int64_t v = 0; v < voxels; v += kWide<A>) {
      Channels logits;
      Channels p;
      V sum;
      softmax_.exponentials(x + v * kBlock8, logits, p, sum);
      const V inverse = A{1} / sum;
      Int label;
      read_labels(labels + v, label);
      V p_label{};
      V weight{};
      unrolled<K>([&](auto c) VOX_INLINED {
        p[c] *= inverse;
        all[c] += p[c];
        const Int is_label = label == LaneInt<A>{c};
        hits[c] = is_label ? hits[c] + p[c] : hits[c];
        count[c] = is_label ? count[c] + 1 : count[c];
        p_label = is_label ? p[c] : p_label;
        weight = is_label ? V{} + weights_[c] : weight;
      });
      if (has_focal_) {
        focal_.to_value(p_label);
        focal += weight * p_label;
      }
      if (has_entropy_) {
        log_positive(sum);
        unrolled<K>([&](auto c) VOX_INLINED { entropy += label == LaneInt<A>{c} ? weight * (sum - logits[c]) : V{}; });
      }
    }
    double* const last = rows + kDiceRows * kBlock8;
    unrolled<K>([&](auto c) VOX_INLINED {
      const double labelled = total(count[c]);
      rows[c] += total(all[c]);
      rows[kBlock8 + c] += total(hits[c]);
      rows[2 * kBlock8 + c] += labelled;
      last[2] += static_cast<double>(weights_[c]) * labelled;
    });
    last[0] += total(focal);
    last[1] += total(entropy);
  }

 private:
  template <class Vector> VOX_INLINED static double total(const Vector& v) {
    double sum = 0;
    for (int i = 0; i < kWide<A>; ++i) { sum += static_cast<double>(v[i]); }
    return sum;
  }

  SoftmaxWide<T, K> softmax_;
  Focal<A> focal_;
  bool has_focal_;
  bool has_entropy_;
  A weights_[kBlock8]{};
};

/// The gradients of a case's classes, which the labels pick from.
template <class A> struct ClassGradients {
  ClassGradients(const DiceFocalTerms& terms, const DiceFocalSums& sums, std::span<const double> weights, double dy) {
    for (std::size_t c = 0; c < weights.size(); ++c) {
      const ClassGradient g = class_gradient(terms, sums, static_cast<std::int64_t>(c), weights[c], dy);
      miss[c] = static_cast<A>(g.miss);
      more[c] = static_cast<A>(g.more);
      focal[c] = static_cast<A>(g.focal);
      entropy[c] = static_cast<A>(g.entropy);
    }
  }

  std::array<A, kDiceFocalClasses> miss{};
  std::array<A, kDiceFocalClasses> more{};
  std::array<A, kDiceFocalClasses> focal{};
  std::array<A, kDiceFocalClasses> entropy{};
};

/// dx of kWide voxels.
template <class T, int K>
VOX_INLINED inline void write_wide_gradient(const SoftmaxWide<T, K>& softmax, const ClassGradients<Acc<T>>& classes,
                                            const Focal<Acc<T>>& of_focal, bool has_focal, const T* x,
                                            const std::uint8_t* labels, T* dx) {
  using A = Acc<T>;
  using V = Wide<A>;
  WideChannels<A, K> logits;
  WideChannels<A, K> p;
  V sum;
  softmax.exponentials(x, logits, p, sum);
  const V inverse = A{1} / sum;
  WideInt<A> label;
  read_labels(labels, label);
  V mean{};
  V p_label{};
  V more{};
  V focal{};
  V entropy{};
  unrolled<K>([&](auto c) VOX_INLINED {
    p[c] *= inverse;
    mean += p[c] * classes.miss[c];
    const WideInt<A> is_label = label == LaneInt<A>{c};
    p_label = is_label ? p[c] : p_label;
    more = is_label ? V{} + classes.more[c] : more;
    focal = is_label ? V{} + classes.focal[c] : focal;
    entropy = is_label ? V{} + classes.entropy[c] : entropy;
  });
  V at_label = p_label * more;  // times the probability already, which saves the division by it in the focal slope
  if (has_focal) {
    of_focal.to_slope_times_p(p_label);
    at_label += focal * p_label;
  }
  const V less = mean + at_label - entropy;
  at_label -= entropy;
  unrolled<K>([&](auto c)
                  VOX_INLINED { p[c] = p[c] * (classes.miss[c] - less) + (label == LaneInt<A>{c} ? at_label : V{}); });
  WideBlock<T, K>::write(p, dx);
}

}  // namespace
}  // namespace vox
