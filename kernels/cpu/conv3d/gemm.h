#pragma once

#include "kernels/cpu/conv3d/tiled.h"
#include "kernels/plan/gemm.h"

// Convolutions as products of matrices (kernels/plan/gemm.h says which): windows are read where they lie in the volume
// and written in whole cache lines.

namespace vox {

template <class T> void convolve_gemm(const IsaQueue&, const TiledConvArgs<T>&);
template <class T> void grad_weight_gemm(const IsaQueue&, const Conv3dGradWeightArgs<T>&);

}  // namespace vox
