#pragma once

#include "kernels/conv3d.h"

namespace vox {

/// The geometry of one of its cases, without the others: what the CPU's weight gradient is planned for.
[[nodiscard]] constexpr Conv3dGeometry one_case(Conv3dGeometry g) {
  g.x.n = g.y.n = 1;
  g.x.batch = g.y.batch = 0;
  return g;
}

}  // namespace vox
