#pragma once

#include <cstdint>

#include "kernels/cpu/focal.h"
#include "kernels/cpu/simd/softmax_wide.h"
#include "kernels/dice_focal_loss.h"

// The loss for volumes of one block, kWide voxels at once.

namespace vox {
namespace {

/// Sums of softmax probabilities and of what the labels pick from them.
template <class T, int K> class DiceFocalWide {
  using A = Acc<T>;
  using V = Wide<A>;
  using Int = WideInt<A>;
  using Channels = WideChannels<A, K>;

 public:
  explicit DiceFocalWide(const DiceFocalSumsArgs<T>& a)
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
  template <class Sums> VOX_INLINED static double total(const Sums& v) {
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

}  // namespace
}  // namespace vox
