#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "data/image.h"
#include "data/loading/rotation.h"
#include "kernels/base/philox.h"

namespace vox {

/// What was drawn of a sample's movement.
struct SpatialChange {
  std::array<bool, 3> mirror{};
  Matrix3 matrix{1, 0, 0, 0, 1, 0, 0, 0, 1};  ///< R S: R = Rz Ry Rx turns in the planes of axes (0,1), (2,0) and (1,2)
  bool turned_or_scaled = false;
  double elastic_voxels = 0;        ///< 0: none (data/loading/elastic_field.h)
  RandomKey elastic{};              ///< draws the field
  std::uint64_t elastic_group = 0;  ///< its first Philox group

  /// Does it only copy voxels?
  [[nodiscard]] bool copies() const { return !turned_or_scaled && !(elastic_voxels > 0); }
};

/// Rotation, scaling, elastic field, mirror images and the place of a patch as one map, sampled once. Voxel o of the
/// patch lies at p(o) = centre + R S (m - c + u(m)) of the case, where m[a] is o[a], or size[a] - 1 - o[a] where axis a
/// is mirrored, c = (size - 1)/2 and u the elastic field: nnU-Net's order, deformed first, then scaled and turned,
/// mirrored last.
struct ComposedTransform {
  SpatialChange change{};
  Extent3 size{};                  ///< of the patch
  std::array<double, 3> centre{};  ///< of the patch, in voxels of the case
};

/// The part of a case that the patch is made of. The rest of what it touches lies outside the case.
[[nodiscard]] Box box_needed(const ComposedTransform&, const Extent3& case_size);

/// image [C,box], marks [box]: values below 8, 0 for what lies outside. out_image [C,size], trilinear, 0 outside;
/// out_marks [size]: of the interpolated masks of each mark the greatest, the lower mark of equals.
void sample_box(std::span<const float> image, std::span<const std::uint8_t> marks, const Box& box,
                const ComposedTransform&, std::span<float> out_image, std::span<std::uint8_t> out_marks);

}  // namespace vox
