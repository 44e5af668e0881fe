#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "kernels/cpu/focal.h"
#include "kernels/cpu/simd/softmax_wide.h"
#include "kernels/dice_focal_loss.h"

namespace vox {
namespace {

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
