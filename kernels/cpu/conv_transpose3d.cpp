#include "kernels/conv_transpose3d.h"

#include "kernels/cpu/conv3d/direct.h"
#include "kernels/cpu/convolve.h"

namespace vox {

template <class T> void conv_transpose3d_forward(IsaQueue& q, const ConvTranspose3dArgs<T>& a) {
  if (a.algorithm == Conv3dAlgorithm::direct) { return conv_transpose3d_direct(q, a); }
  convolve(q, a.algorithm,
           TiledConvArgs<T>{.geometry = a.geometry,
                            .pass = Conv3dPass::spread,
                            .in = y_side(a.geometry, a.x),
                            .weight = a.weight.data(),
                            .bias = a.bias.data(),
                            .out = x_side(a.geometry, a.y, a.y2),
                            .scratch = a.scratch.data()});
}

VOX_INSTANTIATE(IsaQueue, conv_transpose3d_forward, ConvTranspose3dArgs);

}  // namespace vox
