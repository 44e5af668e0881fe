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

namespace {
thread_local bool keep_all = false;
}  // namespace

void can_remake(const Tensor& y, std::function<Tensor()> recipe) {
  if (!keep_all) { y.body().remake = std::move(recipe); }
}

void set_keep_all(bool keep) noexcept { keep_all = keep; }
bool keeps_all() noexcept { return keep_all; }

}  // namespace vox
