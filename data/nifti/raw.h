#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "data/nifti/header.h"
#include "kernels/base/large_vector.h"

namespace vox {

/// The voxels of a file as they are stored.
struct RawVolume {
  NiftiHeader header;
  LargeBytes content;           ///< of the file, or of its voxels alone
  std::byte* voxels = nullptr;  ///< in there: as stored, in this machine's byte order, one volume after the other
};
/// Throws NiftiError as read_nifti(). volumes: how many the file must have.
[[nodiscard]] RawVolume read_raw_volume(const std::filesystem::path&, std::int64_t volumes = 1);

}  // namespace vox
