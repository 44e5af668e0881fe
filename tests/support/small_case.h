#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data/cases/dataset.h"
#include "data/image.h"
#include "data/prepare/resample.h"

namespace vox::test {

[[nodiscard]] inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Of 1 mm, somewhere.
[[nodiscard]] Geometry grid(const Extent3& size);
/// A brain in the middle half of the grid, random inside.
[[nodiscard]] Image brain(const Extent3& size, std::uint32_t which);
/// A row of labels 1, 2, 4, 1, ... in the middle of it.
[[nodiscard]] LabelMap tumour(const Extent3& size, std::int64_t voxels);
/// A case on disk, in `folder`/id; its files.
CaseFiles write_case(const std::filesystem::path& folder, const std::string& id, const Extent3& size,
                     std::int64_t tumour_voxels = 9);

}  // namespace vox::test
