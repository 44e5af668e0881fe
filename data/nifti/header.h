#pragma once

#include <nifti2_io.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>

#include "data/image.h"
#include "data/nifti/bytes.h"
#include "data/nifti/orientation.h"

namespace vox {

/// A header that was checked: everything in it can be relied on.
struct NiftiHeader {
  std::variant<nifti_1_header, nifti_2_header> raw;  ///< as in the file, in this machine's byte order
  bool swapped = false;                              ///< the file's voxels are in the other byte order
  bool separate_voxels = false;                      ///< .hdr/.img
  std::int64_t voxel_offset_bytes = 0;
  int datatype = 0;
  bool scaled = false;  ///< value = slope * stored + inter
  double slope = 1;
  double inter = 0;
  Extents extents{};         ///< as stored: i, j, k
  std::int64_t volumes = 1;  ///< one after the other in the file
  AxisMap axes;              ///< from stored to canonical
  Geometry geometry;         ///< canonical, in mm whatever the unit of the file
  std::string affine_source;
  LengthUnit unit = LengthUnit::unknown;  ///< of the file
};

/// Reads and checks the header at the start of the source; the source then stands right after it. volumes: how many
/// the fourth axis must have; 1: the file is one volume.
[[nodiscard]] NiftiHeader read_header(ByteSource&, std::int64_t volumes = 1);
/// Bytes of one voxel, 0 for a type that is not supported.
[[nodiscard]] std::size_t voxel_bytes(int datatype);
[[nodiscard]] std::string datatype_name(int datatype);  ///< "int16"
/// The file with the header: a .hdr for its .img, any other path as it is.
[[nodiscard]] std::filesystem::path header_path(const std::filesystem::path&);
/// The file with the voxels of a .hdr.
[[nodiscard]] std::filesystem::path voxels_path(const std::filesystem::path& header);

}  // namespace vox
