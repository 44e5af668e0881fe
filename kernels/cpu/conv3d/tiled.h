#pragma once

#include "kernels/plan/tiled.h"

// conv3d and its adjoint by blocks: gather the input rows of a block with their halo, multiply tiles of voxels by
// packed weights, write the block. Both passes run the same code; only their lattices differ (kernels/plan/tiled.h).

namespace vox {

template <class T> struct TiledConvArgs {
  Conv3dGeometry geometry;
  Conv3dPass pass;  ///< correlate or spread
  VolumeParts<const T> in;
  const Acc<T>* weight;  ///< [geometry.y.c][geometry.x.c][K^3]
  const Acc<T>* bias;    ///< or null
  VolumeParts<T> out;
  Conv3dEpilogue epilogue = {};  ///< of correlate
  Acc<T>* scratch;               ///< scratch_elements()
};

template <class T> void convolve_tiled(const IsaQueue&, const TiledConvArgs<T>&);

}  // namespace vox
