#pragma once

#include "kernels/cpu/conv3d/tiled.h"
#include "kernels/plan/gemm.h"

// Convolutions whose windows lie side by side, as products of matrices (kernels/plan/gemm.h): read where they lie,
// written in whole cache lines.

namespace vox {

template <class T> void convolve_gemm(const IsaQueue&, const TiledConvArgs<T>&);
template <class T> void grad_weight_gemm(const IsaQueue&, const Conv3dGradWeightArgs<T>&);

}  // namespace vox
