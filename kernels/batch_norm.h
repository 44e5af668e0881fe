#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/chunks.h"
#include "kernels/base/philox.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// Doubles of scratch that the statistics and the gradient need: two per lane of each chunk.
[[nodiscard]] constexpr std::int64_t batch_norm_partials(const VolumeShape& s) {
  return chunks_of_blocks(s).count() * 2 * kBlock8;
}

// Groups are neighbouring cases, as many in each, that have mean and variance in common; those of all groups lie one
// after another, [groups,C]. Batch norm has one group, instance norm one for each case. gamma and beta are of all.

/// Values of a channel in a case, their mean and the sum of the squared distances from it: what the moments of a batch
/// are merged of, [N,C,kCaseMoments].
inline constexpr std::int64_t kCaseMoments = 3;

/// mean[g,c] and the biased variance[g,c] of x over D, H, W and the cases of a group; where there are running ones and
/// one group they move towards them, running = (1-momentum) * running + momentum * batch, with the unbiased variance.
/// Chunks are summed about their own mean and merged in double, those of a case and then the cases in order (T. Chan,
/// G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979): a large
/// mean costs no precision.
template <class T> struct BatchNormStatisticsArgs {
  VolumeShape shape;
  std::int64_t groups = 1;
  std::span<const T> x;  ///< blocked
  double momentum = 0;
  std::span<const double> boxes = {};  ///< what a convolution's epilogue made of x, which is not read then
  std::span<double> partials;          ///< scratch, batch_norm_partials(shape); not needed where boxes are given
  /// Of a batch that is shared out: where it is not empty, it gets the moments of each case, [N,C,kCaseMoments], and
  /// nothing else is written.
  std::span<double> case_moments = {};
  std::span<const double> all_moments = {};  ///< or those of all cases of the whole batch, shape's: x is not read then
  std::span<Acc<T>> mean;                    ///< [groups,C], overwritten
  std::span<Acc<T>> variance;                ///< [groups,C], overwritten
  std::span<Acc<T>> running_mean = {};       ///< [C], updated; or empty
  std::span<Acc<T>> running_variance = {};   ///< [C], updated; or empty
};

/// What is done to the normalised values in the same pass: nothing, relu or leaky_relu, or dropout of either as
/// kernels/dropout.h defines it. The relu's mask is never stored: whoever wants it works it out again from x. Of what
/// passes both masks, or dropout's where nothing else is made 0, the CPU may keep a bit per element,
/// BatchNormArgs::note_passed: its random numbers cost more than to read that.
struct Activation {
  enum class Kind : std::uint8_t { none, relu, relu_dropout, leaky_relu, leaky_relu_dropout };
  Kind kind = Kind::none;
  double p = 0;  ///< in (0,1) where dropout follows
  RandomKey key = {};
  const std::uint32_t* step_there = nullptr;  ///< as DropoutArgs::step_there
  double negative_slope = 0;                  ///< of leaky_relu: what values of 0 or less are multiplied by; > 0
};
[[nodiscard]] VOX_HD constexpr bool drops(Activation::Kind k) {
  return k == Activation::Kind::relu_dropout || k == Activation::Kind::leaky_relu_dropout;
}
[[nodiscard]] VOX_HD constexpr bool leaks(Activation::Kind k) {
  return k == Activation::Kind::leaky_relu || k == Activation::Kind::leaky_relu_dropout;
}

/// Bytes of the bits of a blocked volume: bit c of a byte is channel c of a block at a voxel.
[[nodiscard]] constexpr std::int64_t passed_bytes(const VolumeShape& s) { return s.n * s.blocks() * s.voxels(); }

/// y = activation(gamma * (x - mean) / sqrt(variance + eps) + beta); padding channels become 0.
template <class T> struct BatchNormArgs {
  VolumeShape shape;
  std::int64_t groups = 1;
  std::span<const T> x;              ///< blocked
  std::span<const Acc<T>> mean;      ///< [groups,C]
  std::span<const Acc<T>> variance;  ///< [groups,C]
  std::span<const Acc<T>> gamma;     ///< [C]
  std::span<const Acc<T>> beta;      ///< [C]
  double eps;
  Activation activation = {};
  std::span<T> y;  ///< blocked, overwritten; may be x
  /// CPU, with dropout: passed_bytes(shape), overwritten with the bits of those elements that are not made 0; or empty.
  std::span<std::uint8_t> note_passed = {};
  std::span<const std::uint8_t> passed = {};  ///< CPU, with dropout: what was noted, of the same x; or empty
};

/// What whoever makes a gradient dy may take of it in passing, for BatchNormGradArgs: with dn and z as there, the sums
/// of dn and of dn * (x - mean) over each of its boxes.
template <class T> struct BatchNormGradSums {
  std::int64_t groups = 1;
  std::span<const T> x;              ///< blocked, of the shape of dy
  std::span<const Acc<T>> mean;      ///< [groups,C]
  std::span<const Acc<T>> variance;  ///< [groups,C]
  std::span<const Acc<T>> gamma;     ///< [C]
  std::span<const Acc<T>> beta;      ///< [C]
  double eps = 0;
  Activation activation = {};   ///< relu, relu_dropout or leaky_relu
  std::span<double> sums = {};  ///< batch_norm_boxes(), overwritten; empty: not wanted
};
/// Doubles of the sums of so many boxes: [blocks of channels][2][8][boxes]. Boxes of a case are neighbours.
[[nodiscard]] constexpr std::int64_t batch_norm_boxes(const VolumeShape& s, std::int64_t boxes) {
  return s.blocks() * 2 * kBlock8 * boxes;
}

/// Do mean and variance depend on x (training) or not (inference)?
enum class Statistics : std::uint8_t { of_batch, constant };

/// With z = (x - mean) / s, s = sqrt(variance + eps), M values of a channel in a group (of the whole batch), dn =
/// activation'(gamma * z + beta) * dy and sums over a group: dbeta = over all groups sum dn, dgamma = over all groups
/// sum dn * z, dx = gamma /
/// s
/// * (dn - sum dn / M - z * sum(dn * z) / M), or gamma / s * dn when the statistics are constant. dy and x are read
/// twice, or once where their sums are there, and dx is written once.
template <class T> struct BatchNormGradArgs {
  VolumeShape shape;
  std::int64_t groups = 1;
  Statistics statistics;
  std::span<const T> x;               ///< blocked
  std::span<const Acc<T>> mean;       ///< [groups,C]
  std::span<const Acc<T>> variance;   ///< [groups,C]
  std::span<const Acc<T>> gamma;      ///< [C]
  std::span<const Acc<T>> beta = {};  ///< [C], read where there is an activation
  double eps;
  Activation activation = {};
  std::span<const std::uint8_t> passed = {};  ///< CPU, with dropout: what the forward pass noted; or empty
  std::span<const T> dy;                      ///< blocked
  std::span<const double> boxes = {};         ///< GPU: BatchNormGradSums::sums that were taken of dy; or empty
  std::span<double> partials;                 ///< scratch, batch_norm_partials(shape); not needed where boxes are given
  bool per_case = false;                      ///< each case is a group, also where it is the only one here
  std::span<Acc<T>> of_groups = {};           ///< scratch where per_case, [2,N,C]
  /// Of a batch that is shared out, in two calls. The first has case_sums, [N,2,C], and writes each case's share of
  /// dbeta and of dgamma to it, and of_groups where per_case, and nothing else; the second has all_sums, those of all
  /// cases of the whole batch, whose number is shape.batch.
  std::span<double> case_sums = {};
  std::span<const double> all_sums = {};
  std::span<T> dx;           ///< blocked, overwritten; empty when not wanted; may be dy
  std::span<Acc<T>> dgamma;  ///< [C], overwritten
  std::span<Acc<T>> dbeta;   ///< [C], overwritten
};

VOX_KERNEL(batch_norm_statistics, BatchNormStatisticsArgs);
VOX_KERNEL(batch_norm_forward, BatchNormArgs);
VOX_KERNEL(batch_norm_backward, BatchNormGradArgs);

}  // namespace vox
