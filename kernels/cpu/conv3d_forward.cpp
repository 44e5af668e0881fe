#include "kernels/cpu/conv3d/direct.h"
#include "kernels/cpu/convolve.h"

namespace vox {

template <class T> void conv3d_forward(IsaQueue& q, const Conv3dArgs<T>& a) {
  if (a.algorithm == Conv3dAlgorithm::direct) { return conv3d_forward_direct(q, a); }
  convolve(q, a.algorithm,
           TiledConvArgs<T>{.geometry = a.geometry,
                            .pass = Conv3dPass::correlate,
                            .in = x_side(a.geometry, a.x, a.x2),
                            .weight = a.weight.data(),
                            .bias = a.bias.data(),
                            .out = y_side(a.geometry, a.y),
                            .epilogue = a.epilogue,
                            .scratch = a.scratch.data()});
}

VOX_INSTANTIATE(IsaQueue, conv3d_forward, Conv3dArgs);

}  // namespace vox
