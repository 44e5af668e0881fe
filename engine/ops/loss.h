#pragma once

#include <vector>

#include "engine/ops.h"

namespace vox {

/// What the losses share. Checks x [N,C,D,H,W] and labels [N,D,H,W]: types, shapes, and that every label is a class.
void check_loss_inputs(Op, const char* operand, const Tensor& x, const Tensor& labels);
/// The same where there are so many classes, whatever x has channels for.
void check_loss_inputs(Op, const char* operand, const Tensor& x, const Tensor& labels, std::int64_t classes);

/// That every label is a class, without waiting for a device: by Tensor::largest_label().
void check_label_values(Op, const Tensor& labels, std::int64_t classes);

/// One weight per class: class_weights or all 1, and 0 for a background that does not count.
[[nodiscard]] std::vector<double> counted_weights(Op, const std::vector<double>& class_weights, Background,
                                                  std::int64_t classes);

/// Groups that are summed on their own: one for the batch, or one per case.
[[nodiscard]] inline std::int64_t groups(Sums sums, std::int64_t cases) { return sums == Sums::batch ? 1 : cases; }

/// Where the sums of the cases that are here begin among those of all groups: 0 where there is one group.
[[nodiscard]] std::size_t first_sums(std::int64_t groups, std::int64_t of_group);

/// Classes that count.
[[nodiscard]] inline std::int64_t counted(Background background, std::int64_t classes) {
  return background == Background::include ? classes : classes - 1;
}

}  // namespace vox
