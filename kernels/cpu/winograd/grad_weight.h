#pragma once

#include "kernels/conv3d.h"

// The weight gradient of a 3x3x3 convolution of stride 1 by Winograd's algorithm: points of x and of dy, multiplied
// and summed over all tiles, point by point; the 27 taps only at the end (kernels/plan/winograd_grad.h).

namespace vox {

template <class T> void grad_weight_winograd(const IsaQueue&, const Conv3dGradWeightArgs<T>&);

}  // namespace vox
