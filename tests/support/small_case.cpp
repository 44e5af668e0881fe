#include "tests/support/small_case.h"

#include <fmt/core.h>

#include <cmath>

#include "data/nifti/nifti.h"
#include "kernels/base/philox.h"

namespace vox::test {

namespace fs = std::filesystem;

Geometry grid(const Extent3& size) { return {size, {1, 1, 1}, {-1, 0, 0, 5, 0, -1, 0, 6, 0, 0, 1, -7}}; }

Image brain(const Extent3& size, std::uint32_t which) {
  Image image{grid(size), LargeVector<float>(at(size[0] * size[1] * size[2]))};
  std::size_t i = 0;
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = 0; h < size[1]; ++h) {
      for (std::int64_t w = 0; w < size[2]; ++w, ++i) {
        const bool inside = std::abs(4 * d - 2 * size[0] + 2) < size[0] &&
                            std::abs(4 * h - 2 * size[1] + 2) < size[1] && std::abs(4 * w - 2 * size[2] + 2) < size[2];
        const std::uint32_t bits = random4({.seed = 1, .step = which}, i).v[0];
        image.values[i] = inside ? static_cast<float>(bits % 1000 + 20) : 0.0F;
      }
    }
  }
  return image;
}

LabelMap tumour(const Extent3& size, std::int64_t voxels) {
  LabelMap labels{grid(size), LargeVector<std::uint8_t>(at(size[0] * size[1] * size[2]))};
  const std::int64_t first = labels.index(size[0] / 2, size[1] / 2, size[2] / 2 - voxels / 2);
  const std::array<std::uint8_t, 3> numbers{1, 2, 4};
  for (std::int64_t i = 0; i < voxels; ++i) { labels.values[at(first + i)] = numbers[at(i % 3)]; }
  return labels;
}

CaseFiles write_case(const fs::path& folder, const std::string& id, const Extent3& size, std::int64_t tumour_voxels) {
  fs::create_directories(folder / id);
  for (const Modality m : kModalities) {
    write_nifti(folder / id / fmt::format("{}_{}.nii", id, name(m)), brain(size, static_cast<std::uint32_t>(m)));
  }
  write_nifti(folder / id / (id + "_seg.nii"), tumour(size, tumour_voxels));
  return find_cases(folder / id).at(0);
}

}  // namespace vox::test
