#include "kernels/conv_transpose3d.h"

#include "kernels/cpu/amx/conv3d_amx.h"
#include "kernels/cpu/conv3d_direct.h"
#include "kernels/cpu/conv3d_tiled.h"
#include "kernels/cpu/conv3d_windows.h"
#include "kernels/cpu/winograd.h"

namespace vox {

template <class T> void conv_transpose3d_forward(IsaQueue& q, const ConvTranspose3dArgs<T>& a) {
  if (a.algorithm == Conv3dAlgorithm::direct) { return conv_transpose3d_direct(q, a); }
  if (a.algorithm == Conv3dAlgorithm::gemm) {
    return convolve_windows(q, WindowsArgs<T>{.geometry = a.geometry,
                                              .pass = Conv3dPass::spread,
                                              .in = a.x.data(),
                                              .weight = a.weight.data(),
                                              .bias = a.bias.data(),
                                              .out = a.y.data(),
                                              .scratch = a.scratch.data()});
  }
  const TiledConvArgs<T> args{.geometry = a.geometry,
                              .pass = Conv3dPass::spread,
                              .in = y_side(a.geometry, a.x),
                              .weight = a.weight.data(),
                              .bias = a.bias.data(),
                              .out = x_side(a.geometry, a.y, a.y2),
                              .scratch = a.scratch.data()};
  if (a.algorithm == Conv3dAlgorithm::winograd) {
    return convolve_winograd(q, winograd_plan(a.geometry, Conv3dPass::spread), args);
  }
  if constexpr (kTakesAmx<T, IsaQueue>) {
    if (a.algorithm == Conv3dAlgorithm::amx) { return convolve_amx(CpuIsaQueue<Isa::amx>{q.threads}, args); }
  }
  convolve_tiled(q, args);
}

VOX_INSTANTIATE(IsaQueue, conv_transpose3d_forward, ConvTranspose3dArgs);

}  // namespace vox
