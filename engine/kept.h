#pragma once

#include <functional>

#include "engine/tensor.h"

namespace vox {

/// What a gradient rule keeps of a tensor that it will read: the tensor itself, or, where can_remake() has given one,
/// the recipe that makes it again from what another rule keeps anyway. That costs one pass over memory in the backward
/// pass and saves keeping a whole tensor from the forward pass on.
class Kept {
 public:
  Kept() = default;
  explicit Kept(const Tensor&);
  [[nodiscard]] Tensor get() const;  ///< the same values; undefined where an undefined tensor was kept

 private:
  Tensor tensor_;
  std::function<Tensor()> remake_;
};

/// Rules that keep y from now on keep the recipe instead, unless this thread keeps all. The recipe must not hold y.
void can_remake(const Tensor& y, std::function<Tensor()> recipe);

/// Whether rules of this thread keep tensors that could be made again: more memory, fewer passes over it, the same
/// bits.
void set_keep_all(bool) noexcept;
[[nodiscard]] bool keeps_all() noexcept;

}  // namespace vox
