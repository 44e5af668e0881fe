#include "kernels/batch_norm.h"

#include <cassert>
#include <type_traits>

#include "kernels/cpu/batch_norm_chunks.h"
#include "kernels/cpu/philox_block.h"
#include "kernels/dropout.h"

namespace vox {
namespace {

/// y = (x - mean) * slope + beta; repeated every eight elements.
template <class A> struct Normalisation {
  A mean[kLanes];
  A slope[kLanes];
  A beta[kLanes];
};

template <class A, class Args> Normalisation<A> normalisation(const Args& a, std::int64_t block) {
  const Lanes<A> mean = lanes_of(a.mean, block);
  const Lanes<A> beta = lanes_of(a.beta, block);
  const Lanes<A> variance = lanes_of(a.variance, block);
  Lanes<A> slope = lanes_of(a.gamma, block);
  for (std::size_t c = 0; c < kBlock8; ++c) { slope[c] *= inverse_deviation(variance[c], a.eps); }
  Normalisation<A> n;
  for (std::size_t i = 0; i < kLanes; ++i) {
    n.mean[i] = mean[i % kBlock8];
    n.slope[i] = slope[i % kBlock8];
    n.beta[i] = beta[i % kBlock8];
  }
  return n;
}

/// An activation whose kind the compiler knows.
template <class A, Activation::Kind K> struct Activate {
  explicit Activate(const Activation& a)
      : key(a.key),
        largest_dropped(K == Activation::Kind::relu_dropout ? largest_dropped_number(a.p) : 0),
        scale(static_cast<A>(1 / (1 - a.p))) {}

  static constexpr bool kDrops = K == Activation::Kind::relu_dropout;
  /// value where normalised passes, 0 elsewhere. Of normalised itself: the activation. Of dy: its gradient.
  [[gnu::always_inline]] A operator()(A normalised, A value, std::uint32_t random) const {
    if constexpr (K == Activation::Kind::none) { return value; }
    const A passed = normalised <= 0 ? A{0} : value;  // NaN passes
    if constexpr (!kDrops) { return passed; }
    const A kept = passed * scale;  // computed for all, then chosen: a branch would not vectorise
    return random > largest_dropped ? kept : A{0};
  }

  RandomKey key;
  std::uint32_t largest_dropped;
  A scale;
};

/// Calls body(Activate<A, kind>).
template <class A, class Body> void with_kind(const Activation& a, const Body& body) {
  using enum Activation::Kind;
  switch (a.kind) {
    case none:
      return body(Activate<A, none>(a));
    case relu:
      return body(Activate<A, relu>(a));
    case relu_dropout:
      return body(Activate<A, relu_dropout>(a));
  }
}

static_assert(kPhiloxNumbers % kLanes == 0);

/// Calls body(i, size, numbers i ... of the stream) for pieces of a chunk whose first element is `first` of the tensor:
/// kLanes elements each, but for the last one. count is a multiple of eight.
template <class Act, class Body>
[[gnu::always_inline]] inline void over_pieces(const Act& act, std::int64_t first, std::int64_t count,
                                               const Body& body) {
  using Whole = std::integral_constant<std::int64_t, kLanes>;
  std::uint32_t random[kPhiloxNumbers]{};
  for (std::int64_t i = 0; i < count; i += kPhiloxNumbers) {
    if constexpr (Act::kDrops) { philox_block(act.key, static_cast<std::uint64_t>((first + i) / 4), random); }
    const std::int64_t end = std::min<std::int64_t>(count - i, kPhiloxNumbers);
    std::int64_t j = 0;
    for (; j + kLanes <= end; j += kLanes) { body(i + j, Whole{}, random + j); }
    if (j < end) { body(i + j, end - j, random + j); }
  }
}

/// Sum over a chunk of the gradient behind the activation, and of its product with x - mean.
template <class T, class Act>
void gradient_sums(const T* x, const T* dy, std::int64_t first, std::int64_t count, const Normalisation<Acc<T>>& norm,
                   const Act& act, double* partials) {
  Acc<T> sum[kLanes]{};
  Acc<T> product[kLanes]{};
  over_pieces(act, first, count, [&](std::int64_t i, auto size, const std::uint32_t* random) {
    for (std::int64_t j = 0; j < size; ++j) {
      const Acc<T> centred = load(x[i + j]) - norm.mean[j];
      const Acc<T> dn = act(centred * norm.slope[j] + norm.beta[j], load(dy[i + j]), random[j]);
      sum[j] += dn;
      product[j] += dn * centred;
    }
  });
  double totals[2][kBlock8];
  fold(sum, totals[0]);
  fold(product, totals[1]);
  std::copy_n(totals[0], kBlock8, partials);
  std::copy_n(totals[1], kBlock8, partials + kBlock8);
}

/// dbeta and dgamma.
template <class T, class Act> void sums_of_gradient(const IsaQueue& q, const BatchNormGradArgs<T>& a, const Act& act) {
  const VolumeShape& s = a.shape;
  assert(std::ssize(a.partials) == batch_norm_partials(s));
  for_chunks(q, s, [&](std::int64_t chunk, std::int64_t block, std::int64_t first, std::int64_t count) {
    gradient_sums(a.x.data() + first, a.dy.data() + first, first, count, normalisation<Acc<T>>(a, block), act,
                  a.partials.data() + chunk * 2 * kBlock8);
  });
  parallel_for(q, s.blocks(), [&](std::int64_t block) {
    double sum[2 * kBlock8]{};
    over_partials(s, a.partials, block, [&](const double* partial, std::int64_t) {
      for (std::int64_t c = 0; c < 2 * kBlock8; ++c) { sum[c] += partial[c]; }
    });
    for (std::int64_t c = 0; c < s.channels_in(block); ++c) {
      const auto channel = static_cast<std::size_t>(block * kBlock8 + c);
      a.dbeta[channel] = static_cast<Acc<T>>(sum[c]);
      a.dgamma[channel] = static_cast<Acc<T>>(sum[kBlock8 + c]) * inverse_deviation(a.variance[channel], a.eps);
    }
  });
}

/// dx, from dbeta and dgamma.
template <class T, class Act> void gradient_of_x(const IsaQueue& q, const BatchNormGradArgs<T>& a, const Act& act) {
  using A = Acc<T>;
  const auto per_value = static_cast<A>(
      a.statistics == Statistics::constant ? 0.0 : 1.0 / static_cast<double>(a.shape.n * a.shape.voxels()));
  for_chunks(q, a.shape, [&](std::int64_t, std::int64_t block, std::int64_t first, std::int64_t count) {
    const auto norm = normalisation<A>(a, block);
    const Lanes<A> dbeta = lanes_of(std::span<const A>(a.dbeta), block);
    const Lanes<A> dgamma = lanes_of(std::span<const A>(a.dgamma), block);
    const Lanes<A> variance = lanes_of(a.variance, block);
    A offset[kLanes];
    A pull[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) {
      offset[i] = dbeta[i % kBlock8] * per_value;
      pull[i] = dgamma[i % kBlock8] * (per_value * inverse_deviation(variance[i % kBlock8], a.eps));
    }
    const T* const x = a.x.data() + first;
    const T* const dy = a.dy.data() + first;
    T* const dx = a.dx.data() + first;
    over_pieces(act, first, count, [&](std::int64_t i, auto size, const std::uint32_t* random) {
      for (std::int64_t j = 0; j < size; ++j) {
        const A centred = load(x[i + j]) - norm.mean[j];
        const A dn = act(centred * norm.slope[j] + norm.beta[j], load(dy[i + j]), random[j]);
        dx[i + j] = store<T>(norm.slope[j] * (dn - offset[j] - centred * pull[j]));
      }
    });
  });
}

}  // namespace

template <class T> void batch_norm_forward(IsaQueue& q, const BatchNormArgs<T>& a) {
  with_kind<Acc<T>>(a.activation, [&](const auto& act) {
    for_chunks(q, a.shape, [&](std::int64_t, std::int64_t block, std::int64_t first, std::int64_t count) {
      const auto norm = normalisation<Acc<T>>(a, block);
      const T* const x = a.x.data() + first;
      T* const y = a.y.data() + first;
      over_pieces(act, first, count, [&](std::int64_t i, auto size, const std::uint32_t* random) {
        for (std::int64_t j = 0; j < size; ++j) {
          const Acc<T> value = (load(x[i + j]) - norm.mean[j]) * norm.slope[j] + norm.beta[j];
          y[i + j] = store<T>(act(value, value, random[j]));
        }
      });
    });
  });
}

template <class T> void batch_norm_backward(IsaQueue& q, const BatchNormGradArgs<T>& a) {
  with_kind<Acc<T>>(a.activation, [&](const auto& act) {
    sums_of_gradient(q, a, act);
    if (!a.dx.empty()) { gradient_of_x(q, a, act); }
  });
}

VOX_INSTANTIATE(IsaQueue, batch_norm_forward, BatchNormArgs);
VOX_INSTANTIATE(IsaQueue, batch_norm_backward, BatchNormGradArgs);

}  // namespace vox
