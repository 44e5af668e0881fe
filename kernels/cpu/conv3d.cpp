#include "kernels/conv3d.h"

#include "kernels/cpu/conv3d_direct.h"

namespace vox {

template <class T> void conv3d_forward(IsaQueue& q, const Conv3dArgs<T>& a) { conv3d_forward_direct(q, a); }

template <class T> void conv3d_grad_weight(IsaQueue& q, const Conv3dGradWeightArgs<T>& a) {
  conv3d_grad_weight_direct(q, a);
}

VOX_INSTANTIATE(IsaQueue, conv3d_forward, Conv3dArgs);
VOX_INSTANTIATE(IsaQueue, conv3d_grad_weight, Conv3dGradWeightArgs);

}  // namespace vox
