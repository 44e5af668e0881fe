#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/chunks.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// Regions that overlap, such as the whole tumour, its core and its enhancing part, each with a logit of its own. A
/// label is a class; regions_of[label] has bit r set where the class is in region r.
inline constexpr std::int64_t kMostRegions = kBlock8;  ///< one block of channels
inline constexpr std::int64_t kMostRegionClasses = 32;
using RegionsOfClasses = std::array<std::uint8_t, kMostRegionClasses>;

/// Sums of some voxels lie in rows of eight lanes, one per region: sum of p, of p where the voxel is in the region,
/// voxels in it, and sum of the binary cross entropy. What the lanes of padding channels hold means nothing.
inline constexpr std::int64_t kDiceBceRows = 4;

[[nodiscard]] constexpr std::int64_t dice_bce_partials(const VolumeShape& s) {
  return chunks_of_cases(s).count() * kDiceBceRows * kBlock8;
}

struct DiceBceTerms {
  std::int64_t groups = 1;   ///< 1: sums over the whole batch; as many as that has cases: over each
  std::int64_t regions = 1;  ///< R
  double smooth = 1e-5;      ///< > 0
  double dice = 1;           ///< times 1 - mean over groups and regions of the Dice scores
  double bce = 1;            ///< times the sum of the cross entropies: 1 / their number is in it
};

/// With p = 1 / (1 + exp(-x)), y = 1 where the voxel is in the region and 0 elsewhere, sums over the voxels of a group:
///   loss = dice * (1 - mean over groups and regions of (2 sum(p y) + smooth) / (sum p + sum y + smooth))
///        + bce * sum over all of (max(x, 0) - x y + log(1 + exp(-|x|)))
/// in two calls: what the loss needs of each case, and the loss from what all cases of the batch give.
template <class T> struct DiceBceSumsArgs {
  VolumeShape shape;                     ///< [N,R,D,H,W], R <= kMostRegions
  std::span<const T> x;                  ///< logits, blocked
  std::span<const std::uint8_t> labels;  ///< [N,voxels], each < kMostRegionClasses
  RegionsOfClasses regions_of;
  std::span<double> partials;   ///< scratch, dice_bce_partials(shape)
  std::span<double> case_sums;  ///< [N,kDiceBceRows,8], overwritten
};
template <class T> struct DiceBceLossArgs {
  DiceBceTerms terms;
  std::span<const double> case_sums;  ///< of all cases of the batch
  std::span<double> sums;             ///< [groups,kDiceBceRows,8], overwritten: what the gradient needs
  std::span<Acc<T>> loss;             ///< [1], overwritten
};

/// dx = dy * (p (1 - p) * (miss + more * y) + bce * (p - y)), region_gradient() of each group and region.
template <class T> struct DiceBceLossGradArgs {
  VolumeShape shape;
  std::span<const T> x;
  std::span<const std::uint8_t> labels;
  RegionsOfClasses regions_of;
  DiceBceTerms terms;
  std::span<const double> sums;  ///< of the forward pass: of the batch, or of these cases where each is a group
  std::span<const Acc<T>> dy;    ///< [1]
  std::span<T> dx;               ///< blocked, overwritten
};

VOX_KERNEL(dice_bce_case_sums, DiceBceSumsArgs);
VOX_KERNEL(dice_bce_loss_forward, DiceBceLossArgs);
VOX_KERNEL(dice_bce_loss_backward, DiceBceLossGradArgs);

/// A region's share of the loss, of the sums of a group: rows as above.
[[nodiscard]] VOX_HD inline double dice_bce_loss_of(const DiceBceTerms& t, const double* rows, std::int64_t region) {
  const double score = (2 * rows[kBlock8 + region] + t.smooth) / (rows[region] + rows[2 * kBlock8 + region] + t.smooth);
  return t.dice * (1 - score) / static_cast<double>(t.groups * t.regions) + t.bce * rows[3 * kBlock8 + region];
}

/// The gradient of the Dice term by a probability: miss everywhere, more where the voxel is in the region.
struct RegionGradient {
  double miss = 0;
  double more = 0;
};
[[nodiscard]] VOX_HD inline RegionGradient region_gradient(const DiceBceTerms& t, const double* rows,
                                                           std::int64_t region, double dy) {
  const double over = 2 * rows[kBlock8 + region] + t.smooth;
  const double under = rows[region] + rows[2 * kBlock8 + region] + t.smooth;
  const double share = dy * t.dice / static_cast<double>(t.groups * t.regions) / under;
  return {.miss = share * over / under, .more = -2 * share};
}

}  // namespace vox
