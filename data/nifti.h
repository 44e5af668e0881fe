#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "data/volume.h"

namespace vox {

struct NiftiHeader;  // of one file, with the permutation from its own axes to the canonical ones; see data/nifti.cpp

/// A 3D image file: .nii, .nii.gz or .hdr/.img, NIfTI-1 or -2 (ANALYZE 7.5 is refused: it has no orientation), either
/// endianness, any integer or float type, scl_slope and scl_inter applied, reoriented to the canonical order.
struct NiftiImage {
  Image image;
  std::shared_ptr<const NiftiHeader> header;  ///< of the file: what write_nifti() needs to write on its grid
  std::string datatype;                       ///< as stored: "int16", "float64", ...
  std::string orientation;                    ///< as stored: "LPS", "RAS", ...
  bool values_finite = true;
};

/// Throws DataError naming the file, what was found and what was wanted. A trailing axis of extent 1 is dropped.
[[nodiscard]] NiftiImage read_nifti(const std::filesystem::path&);
/// The geometry alone, without the voxels.
[[nodiscard]] Geometry read_nifti_geometry(const std::filesystem::path&);

struct NiftiLabels {
  LabelMap labels;
  std::shared_ptr<const NiftiHeader> header;
};
/// Integer labels 0..255. Float files are rounded where they are within 1e-3 of an integer, and refused elsewhere.
[[nodiscard]] NiftiLabels read_nifti_labels(const std::filesystem::path&);

/// Writes a volume in canonical order on the grid, in the axis order and with the header and affine of the file that
/// `like` came from. Labels as uint8, images as float32, no scaling. To a temporary file, fsynced, renamed.
void write_nifti(const std::filesystem::path&, const LabelMap&, const NiftiHeader& like);
void write_nifti(const std::filesystem::path&, const Image&, const NiftiHeader& like);
/// The same for a volume that came from no file: its geometry becomes the header.
void write_nifti(const std::filesystem::path&, const LabelMap&);
void write_nifti(const std::filesystem::path&, const Image&);
/// As int16, rounded: what BraTS stores. For synthetic cases.
void write_nifti_int16(const std::filesystem::path&, const Image&);

}  // namespace vox
