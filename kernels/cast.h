#pragma once

#include <span>
#include <variant>

#include "kernels/base/bf16.h"
#include "kernels/base/queue.h"

namespace vox {

/// y[e] = x[e] in another storage type, rounded to nearest; f64 to bf16 rounds to f32 on the way.
template <class T> struct CastArgs {
  std::span<const T> x;
  std::variant<std::span<float>, std::span<double>, std::span<Bf16>> y;  ///< as many as x, overwritten
};

VOX_KERNEL(cast_forward, CastArgs);

}  // namespace vox
