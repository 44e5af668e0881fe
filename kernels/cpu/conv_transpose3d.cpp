#include "kernels/conv_transpose3d.h"

#include "kernels/cpu/conv3d_direct.h"

namespace vox {

template <class T> void conv_transpose3d_forward(IsaQueue& q, const ConvTranspose3dArgs<T>& a) {
  conv_transpose3d_direct(q, a);
}

VOX_INSTANTIATE(IsaQueue, conv_transpose3d_forward, ConvTranspose3dArgs);

}  // namespace vox
