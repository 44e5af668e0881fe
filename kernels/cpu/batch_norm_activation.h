#pragma once

#include <array>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/batch_norm_chunks.h"
#include "kernels/cpu/simd/philox_block.h"
#include "kernels/dropout.h"

// What batch norm does to kLanes elements at a time, forward and backward.

namespace vox {
namespace {

/// y = (x - mean) * slope + beta; repeated every eight elements.
template <class A> struct Normalisation {
  A mean[kLanes];
  A slope[kLanes];
  A beta[kLanes];
};

/// Of a block of channels in a group.
template <class A, class Args> Normalisation<A> normalisation(const Args& a, std::int64_t block, std::int64_t group) {
  const Lanes<A> mean = lanes_of(of_group(a.mean, group, a.shape), block);
  const Lanes<A> beta = lanes_of(a.beta, block);
  const Lanes<A> variance = lanes_of(of_group(a.variance, group, a.shape), block);
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
  const std::uint32_t* random;  ///< their numbers, for an Activate that drops
  std::uint32_t passed;         ///< their bits, for ActivatePassed
};

/// value on one side of 0, what is left of it on the other: of relu nothing. NaN passes.
template <bool LEAKS, class A> [[gnu::always_inline]] inline A one_sided(A normalised, A value, A negative_slope) {
  const A other = LEAKS ? value * negative_slope : A{0};
  return normalised <= 0 ? other : value;
}

/// An activation whose kind the compiler knows.
template <class A, Activation::Kind K> struct Activate {
  explicit Activate(const Activation& a)
      : key(a.key),
        largest_dropped(kDrops ? largest_dropped_number(a.p) : 0),
        scale(static_cast<A>(1 / (1 - a.p))),
        negative_slope(static_cast<A>(a.negative_slope)) {}

  static constexpr bool kDrops = drops(K);
  static constexpr bool kReads = false;
  /// Of normalised itself, as value: the activation. Of dy: its gradient.
  [[gnu::always_inline]] A operator()(A normalised, A value, const Piece& piece, std::int64_t j) const {
    if constexpr (K == Activation::Kind::none) { return value; }
    const A passed = one_sided<leaks(K)>(normalised, value, negative_slope);
    if constexpr (!kDrops) { return passed; }
    const A kept = passed * scale;  // computed for all, then chosen: a branch would not vectorise
    return piece.random[j] > largest_dropped ? kept : A{0};
  }
  /// Whether the bit of a result is set.
  [[nodiscard, gnu::always_inline]] bool notes(A result, const Piece& piece, std::int64_t j) const {
    if constexpr (leaks(K)) { return piece.random[j] > largest_dropped; }
    return result != 0;  // what passes is more than 0, or NaN
  }

  RandomKey key;
  std::uint32_t largest_dropped;
  A scale;
  A negative_slope;
};

/// The same behind a dropout, by the bits of those that pass.
template <class A, bool LEAKS> struct ActivatePassed {
  static constexpr bool kDrops = false;
  static constexpr bool kReads = true;
  [[gnu::always_inline]] A operator()(A normalised, A value, const Piece& piece, std::int64_t j) const {
    const A scaled = (LEAKS ? one_sided<true>(normalised, value, negative_slope) : value) * scale;
    return (piece.passed & kBits[static_cast<std::size_t>(j)]) != 0 ? scaled : A{0};
  }
  [[nodiscard, gnu::always_inline]] bool notes(A, const Piece& piece, std::int64_t j) const {
    return (piece.passed & kBits[static_cast<std::size_t>(j)]) != 0;
  }

  const std::uint8_t* passed;
  A scale;
  A negative_slope;
};

/// Calls body(activation whose kind the compiler knows).
template <class A, class Body>
void with_kind(const Activation& a, std::span<const std::uint8_t> passed, const Body& body) {
  using enum Activation::Kind;
  const auto scale = static_cast<A>(1 / (1 - a.p));
  switch (a.kind) {
    case none:
      return body(Activate<A, none>(a));
    case relu:
      return body(Activate<A, relu>(a));
    case relu_dropout:
      if (passed.empty()) { return body(Activate<A, relu_dropout>(a)); }
      return body(ActivatePassed<A, false>{passed.data(), scale, 0});
    case leaky_relu:
      return body(Activate<A, leaky_relu>(a));
    case leaky_relu_dropout:
      if (passed.empty()) { return body(Activate<A, leaky_relu_dropout>(a)); }
      return body(ActivatePassed<A, true>{passed.data(), scale, static_cast<A>(a.negative_slope)});
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
    [[maybe_unused]] const auto bytes = static_cast<std::size_t>(size / kBlock8);
    if constexpr (Act::kReads) { std::memcpy(&bits, act.passed + (first + i) / kBlock8, bytes); }
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

}  // namespace
}  // namespace vox
