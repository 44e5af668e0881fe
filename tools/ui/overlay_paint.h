#pragma once

#include "data/image.h"
#include "tools/ui/overlay_planes.h"
#include "tools/ui/picture.h"

namespace vox {

/// The voxels of a plane in grey.
[[nodiscard]] Pixels paint_image(const Image&, const Plane&, const Window&);
/// The colours of its classes, seen through; background is clear.
[[nodiscard]] Pixels paint_classes(const LabelMap&, const Plane&);

}  // namespace vox
