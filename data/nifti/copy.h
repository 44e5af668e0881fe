#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace vox {

// Files in another arrangement, without a change of a voxel's value. All write .nii.gz, as an AtomicFile.

/// A 3-D file under another name: its bytes where it is gzipped, else compressed. Its header is read, and refused as by
/// read_nifti(); so is an .hdr/.img pair.
void copy_nifti(const std::filesystem::path& from, const std::filesystem::path& to);

/// One volume of a 4-D file of `volumes`, as it is stored there: type, scaling and place are the file's. Extensions of
/// the header, which speak of the whole file, are left out.
void extract_volume(const std::filesystem::path& from, std::int64_t volume, std::int64_t volumes,
                    const std::filesystem::path& to);

/// A volume of a file.
struct StackedVolume {
  std::filesystem::path file;
  std::int64_t volume = 0;
  std::int64_t volumes = 1;  ///< of the file
};
/// One 4-D file of several volumes on one grid, which is the first one's: as they are stored where type, scaling and
/// the order of axes are the same in all, else as float32 of their values.
void stack_volumes(std::span<const StackedVolume>, const std::filesystem::path& to);

}  // namespace vox
