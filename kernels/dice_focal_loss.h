#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/bf16.h"
#include "kernels/base/chunks.h"
#include "kernels/base/queue.h"
#include "kernels/base/volume.h"

namespace vox {

/// The sums of some voxels lie in rows of eight lanes: for each block of channels the three of kernels/dice_loss.h
/// (sum of p, sum of p where the label is the class, labels), then one row with the focal terms, the weighted -log p
/// and the weights of the voxels in its first three lanes.
inline constexpr std::int64_t kDiceRows = 3;
[[nodiscard]] VOX_HD constexpr std::int64_t dice_focal_rows(std::int64_t blocks) { return kDiceRows * blocks + 1; }

inline constexpr std::int64_t kDiceFocalClasses = 256;  ///< at most: labels are bytes

[[nodiscard]] constexpr std::int64_t dice_focal_partials(const VolumeShape& s) {
  return chunks_of_cases(s).count() * dice_focal_rows(s.blocks()) * kBlock8;
}

/// What the loss is made of; a term whose factor is 0 is left out.
struct DiceFocalTerms {
  std::int64_t groups = 1;     ///< 1: sums over the whole batch; as many as that has cases: over each
  std::int64_t counted = 1;    ///< classes the mean of the Dice scores is over
  std::int64_t dice_from = 0;  ///< the first of them: 1 leaves the background out of the Dice term
  double smooth = 1e-5;        ///< > 0
  double gamma = 2;            ///< >= 0
  double clip = 1e-7;          ///< in (0,0.5)
  double dice = 1;             ///< times kernels/dice_loss.h
  double focal = 0;            ///< times the sum of kernels/focal_loss.h: alpha and 1 / number of terms are in it
  double cross_entropy = 0;    ///< times kernels/cross_entropy.h
};

/// loss = dice * dice_loss(p) + focal * focal_loss(p) + cross_entropy * cross_entropy(x), p = softmax(x), formulas in
/// those headers, in two calls: what the loss needs of each case, and the loss from what all cases of the batch give.
/// The first reads logits and labels once; no probability is stored.
template <class T> struct DiceFocalSumsArgs {
  VolumeShape shape;
  std::span<const T> x;                  ///< logits, blocked
  std::span<const std::uint8_t> labels;  ///< [N,voxels], each < shape.c
  std::span<const double> weights;       ///< [C], C <= kDiceFocalClasses; 0 for a class that does not count
  DiceFocalTerms terms;
  std::span<double> partials;   ///< scratch, dice_focal_partials(shape)
  std::span<double> case_sums;  ///< [N,dice_focal_rows(blocks),8], overwritten
};
template <class T> struct DiceFocalLossArgs {
  std::int64_t channels = 0;
  std::span<const double> weights;
  DiceFocalTerms terms;
  std::span<const double> case_sums;  ///< of all cases of the batch
  std::span<double> sums;             ///< [groups,dice_focal_rows(blocks),8], overwritten: what the gradient needs
  std::span<Acc<T>> loss;             ///< [1], overwritten
};

/// dx of the loss. With g = the gradient of dice and focal by p, dx = p * (g - sum over c of p * g) + the cross
/// entropy's weight * (p - onehot(label)). Reads logits and labels once more.
template <class T> struct DiceFocalLossGradArgs {
  VolumeShape shape;
  std::span<const T> x;
  std::span<const std::uint8_t> labels;
  std::span<const double> weights;
  DiceFocalTerms terms;
  std::span<const double> sums;  ///< of the forward pass: of the batch, or of these cases where each is a group
  std::span<const Acc<T>> dy;    ///< [1]
  std::span<T> dx;               ///< blocked, overwritten
};

VOX_KERNEL(dice_focal_case_sums, DiceFocalSumsArgs);
VOX_KERNEL(dice_focal_loss_forward, DiceFocalLossArgs);
VOX_KERNEL(dice_focal_loss_backward, DiceFocalLossGradArgs);

/// What the loss and its gradient make of the sums, on the host and on a device alike.
struct DiceFocalSums {
  const double* rows;  ///< of one group
  std::int64_t blocks;

  [[nodiscard]] VOX_HD double dice(std::int64_t c, std::int64_t k) const {
    return rows[(c / kBlock8 * kDiceRows + k) * kBlock8 + c % kBlock8];
  }
  [[nodiscard]] VOX_HD double over(std::int64_t c, double smooth) const { return 2 * dice(c, 1) + smooth; }
  [[nodiscard]] VOX_HD double under(std::int64_t c, double smooth) const { return dice(c, 0) + dice(c, 2) + smooth; }
  [[nodiscard]] VOX_HD double focal() const { return last(0); }
  [[nodiscard]] VOX_HD double weight() const { return last(2); }
  [[nodiscard]] VOX_HD double mean_entropy() const { return weight() == 0 ? 0 : last(1) / weight(); }

 private:
  [[nodiscard]] VOX_HD double last(std::int64_t k) const { return rows[blocks * kDiceRows * kBlock8 + k]; }
};

/// The loss from the sums over groups (and classes) of the weighted Dice scores, of focal() and of mean_entropy().
[[nodiscard]] VOX_HD inline double dice_focal_loss_of(const DiceFocalTerms& t, double scores, double focal,
                                                      double entropy) {
  return t.dice * (1 - scores / static_cast<double>(t.groups * t.counted)) + t.focal * focal +
         t.cross_entropy * entropy / static_cast<double>(t.groups);
}

/// The gradient of the loss by the probability of a class, but for the focal term's slope: miss everywhere, more where
/// the label is the class. entropy: what softmax - onehot is multiplied by at the voxels of the class.
struct ClassGradient {
  double miss = 0;
  double more = 0;
  double focal = 0;  ///< times the focal slope where the label is the class
  double entropy = 0;
};
[[nodiscard]] VOX_HD inline ClassGradient class_gradient(const DiceFocalTerms& t, const DiceFocalSums& sums,
                                                         std::int64_t c, double weight, double dy) {
  if (weight == 0) { return {}; }
  const double dice = c < t.dice_from ? 0 : t.dice;
  const double share = -dy * dice * weight / static_cast<double>(t.groups * t.counted) / sums.under(c, t.smooth);
  return {.miss = -share * sums.over(c, t.smooth) / sums.under(c, t.smooth),
          .more = 2 * share,
          .focal = dy * t.focal * weight,
          .entropy =
              sums.weight() == 0 ? 0 : dy * t.cross_entropy * weight / (static_cast<double>(t.groups) * sums.weight())};
}

}  // namespace vox
