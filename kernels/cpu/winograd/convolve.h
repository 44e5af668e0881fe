#pragma once

#include "kernels/cpu/conv3d/tiled.h"
#include "kernels/plan/winograd.h"

namespace vox {

/// conv3d of kernel 3 and stride 1, or its adjoint, by Winograd's algorithm, as planned. Scratch:
/// scratch_elements() of the plan.
template <class T> void convolve_winograd(const IsaQueue&, const WinogradPlan&, const TiledConvArgs<T>&);

}  // namespace vox
