#pragma once

#include "kernels/conv3d_windows.h"

// Convolutions whose windows lie side by side, as products of matrices (kernels/conv3d_windows.h): read where they lie,
// written in whole cache lines.

namespace vox {

template <class T> struct WindowsArgs {
  Conv3dGeometry geometry;
  Conv3dPass pass;  ///< correlate or spread
  const T* in;
  const Acc<T>* weight;  ///< [geometry.y.c][geometry.x.c][K^3]
  const Acc<T>* bias;    ///< or null
  T* out;
  Acc<T>* scratch;  ///< scratch_elements()
};

template <class T> void convolve_windows(const IsaQueue&, const WindowsArgs<T>&);
template <class T> void grad_weight_windows(const IsaQueue&, const Conv3dGradWeightArgs<T>&);

}  // namespace vox
