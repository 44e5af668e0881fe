#include "engine/kept.h"

#include <utility>

#include "engine/tensor_body.h"

namespace vox {

Kept::Kept(const Tensor& t) {
  if (!t.defined()) { return; }
  if (t.body().remake) {
    remake_ = t.body().remake;
  } else {
    tensor_ = t.detached();
  }
}

Tensor Kept::get() const { return remake_ ? remake_() : tensor_; }

void can_remake(const Tensor& y, std::function<Tensor()> recipe) { y.body().remake = std::move(recipe); }

}  // namespace vox
