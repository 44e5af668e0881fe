#include "kernels/batch_norm.h"

#include <array>
#include <cassert>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/batch_norm_chunks.h"
#include "kernels/cpu/simd/philox_block.h"
#include "kernels/cpu/simd/stream.h"
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

constexpr auto kBits = [] {
  std::array<std::uint32_t, kLanes> bits{};
  for (std::size_t i = 0; i < bits.size(); ++i) { bits[i] = 1U << i; }
  return bits;
}();

/// What is known of kLanes elements before they are read.
struct Piece {
  const std::uint32_t* random;  ///< their numbers, for Activate of relu_dropout
  std::uint32_t passed;         ///< their bits, for ActivatePassed
};

/// An activation whose kind the compiler knows.
template <class A, Activation::Kind K> struct Activate {
  explicit Activate(const Activation& a)
      : key(a.key),
        largest_dropped(K == Activation::Kind::relu_dropout ? largest_dropped_number(a.p) : 0),
        scale(static_cast<A>(1 / (1 - a.p))) {}

  static constexpr bool kDrops = K == Activation::Kind::relu_dropout;
  static constexpr bool kReads = false;
  /// value where normalised passes, 0 elsewhere. Of normalised itself: the activation. Of dy: its gradient.
  [[gnu::always_inline]] A operator()(A normalised, A value, const Piece& piece, std::int64_t j) const {
    if constexpr (K == Activation::Kind::none) { return value; }
    const A passed = normalised <= 0 ? A{0} : value;  // NaN passes
    if constexpr (!kDrops) { return passed; }
    const A kept = passed * scale;  // computed for all, then chosen: a branch would not vectorise
    return piece.random[j] > largest_dropped ? kept : A{0};
  }

  RandomKey key;
  std::uint32_t largest_dropped;
  A scale;
};

/// relu_dropout by the bits of those that pass.
template <class A> struct ActivatePassed {
  static constexpr bool kDrops = false;
  static constexpr bool kReads = true;
  [[gnu::always_inline]] A operator()(A, A value, const Piece& piece, std::int64_t j) const {
    const A scaled = value * scale;
    return (piece.passed & kBits[static_cast<std::size_t>(j)]) != 0 ? scaled : A{0};
  }

  const std::uint8_t* passed;
  A scale;
};

/// Calls body(activation whose kind the compiler knows).
template <class A, class Body>
void with_kind(const Activation& a, std::span<const std::uint8_t> passed, const Body& body) {
  using enum Activation::Kind;
  switch (a.kind) {
    case none:
      return body(Activate<A, none>(a));
    case relu:
      return body(Activate<A, relu>(a));
    case relu_dropout:
      if (passed.empty()) { return body(Activate<A, relu_dropout>(a)); }
      return body(ActivatePassed<A>{.passed = passed.data(), .scale = static_cast<A>(1 / (1 - a.p))});
  }
}

static_assert(kPhiloxNumbers % kLanes == 0);

/// Calls body(i, size, what is known of them) for pieces of a chunk whose first element is `first` of the tensor:
/// kLanes elements each, but for the last one. count is a multiple of eight.
template <class Act, class Body>
[[gnu::always_inline]] inline void over_pieces(const Act& act, std::int64_t first, std::int64_t count,
                                               const Body& body) {
  using Whole = std::integral_constant<std::int64_t, kLanes>;
  std::uint32_t random[kPhiloxNumbers]{};
  const auto passed_of = [&](std::int64_t i, std::int64_t size) {
    std::uint32_t bits = 0;
    if constexpr (Act::kReads) {
      std::memcpy(&bits, act.passed + (first + i) / kBlock8, static_cast<std::size_t>(size / kBlock8));
    }
    return bits;
  };
  for (std::int64_t i = 0; i < count; i += kPhiloxNumbers) {
    if constexpr (Act::kDrops) { philox_block(act.key, static_cast<std::uint64_t>((first + i) / 4), random); }
    const std::int64_t end = std::min<std::int64_t>(count - i, kPhiloxNumbers);
    std::int64_t j = 0;
    for (; j + kLanes <= end; j += kLanes) { body(i + j, Whole{}, Piece{random + j, passed_of(i + j, kLanes)}); }
    if (j < end) { body(i + j, end - j, Piece{random + j, passed_of(i + j, end - j)}); }
  }
}

/// Sum over a chunk of the gradient behind the activation, and of its product with x - mean.
template <class T, class Act>
void gradient_sums(const T* x, const T* dy, std::int64_t first, std::int64_t count, const Normalisation<Acc<T>>& norm,
                   const Act& act, double* partials) {
  Acc<T> sum[kLanes]{};
  Acc<T> product[kLanes]{};
  over_pieces(act, first, count, [&](std::int64_t i, auto size, const Piece& piece) {
    for (std::int64_t j = 0; j < size; ++j) {
      const Acc<T> centred = load(x[i + j]) - norm.mean[j];
      const Acc<T> dn = act(centred * norm.slope[j] + norm.beta[j], load(dy[i + j]), piece, j);
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
    over_pieces(act, first, count, [&](std::int64_t i, auto size, const Piece& piece) {
      for (std::int64_t j = 0; j < size; ++j) {
        const A centred = load(x[i + j]) - norm.mean[j];
        const A dn = act(centred * norm.slope[j] + norm.beta[j], load(dy[i + j]), piece, j);
        dx[i + j] = store<T>(norm.slope[j] * (dn - offset[j] - centred * pull[j]));
      }
    });
  });
}

}  // namespace

template <class T> void batch_norm_forward(IsaQueue& q, const BatchNormArgs<T>& a) {
  using A = Acc<T>;
  with_kind<A>(a.activation, a.passed, [&](const auto& act) {
    for_chunks(q, a.shape, [&](std::int64_t, std::int64_t block, std::int64_t first, std::int64_t count) {
      const auto norm = normalisation<A>(a, block);
      const T* const x = a.x.data() + first;
      T* const y = a.y.data() + first;
      const bool streamed = a.y.data() != a.x.data() && streams_to(a.y.data(), std::ssize(a.y), kStreamedBytes) &&
                            first % (64 / std::int64_t{sizeof(T)}) == 0;
      std::uint8_t* const noted = a.note_passed.empty() ? nullptr : a.note_passed.data() + first / kBlock8;
      over_pieces(act, first, count, [&](std::int64_t i, auto size, const Piece& piece) {
        A results[kLanes]{};
        T stored[kLanes];
        for (std::int64_t j = 0; j < size; ++j) {
          const A value = (load(x[i + j]) - norm.mean[j]) * norm.slope[j] + norm.beta[j];
          results[j] = act(value, value, piece, j);
          stored[j] = store<T>(results[j]);
        }
        if (streamed && size == kLanes) {
          stream(y + i, stored);
        } else {
          std::memcpy(static_cast<void*>(y + i), stored, static_cast<std::size_t>(size) * sizeof(T));
        }
        if (noted != nullptr) {
          std::uint32_t bits = 0;  // what passes is more than 0, or NaN
          for (std::int64_t j = 0; j < kLanes; ++j) {
            bits |= results[j] != 0 ? kBits[static_cast<std::size_t>(j)] : 0U;
          }
          std::memcpy(noted + i / kBlock8, &bits, static_cast<std::size_t>(size / kBlock8));
        }
      });
      if (streamed) { end_stream(); }
    });
  });
}

template <class T> void batch_norm_backward(IsaQueue& q, const BatchNormGradArgs<T>& a) {
  with_kind<Acc<T>>(a.activation, a.passed, [&](const auto& act) {
    sums_of_gradient(q, a, act);
    if (!a.dx.empty()) { gradient_of_x(q, a, act); }
  });
}

VOX_INSTANTIATE(IsaQueue, batch_norm_forward, BatchNormArgs);
VOX_INSTANTIATE(IsaQueue, batch_norm_backward, BatchNormGradArgs);

}  // namespace vox
