#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"
#include "kernels/base/check.h"

namespace vox {

/// Why a file was refused: for callers that sort findings. The message says it for people.
enum class NiftiFault : std::uint8_t {
  unreadable,        ///< not there, a folder, no permission, a .hdr without its .img
  not_nifti,         ///< another format: the message names it where it can be told
  too_large,         ///< wants more memory than there is, as far as that can be told before
  damaged,           ///< ends early, a gzip check sum that does not match, a header that contradicts itself
  not_one_volume,    ///< 1-D, 2-D, a time series, several channels
  unsupported_type,  ///< complex, RGB, 128-bit or 1-bit voxels
  bad_geometry,      ///< voxel size zero or not finite, affine that cannot be inverted, places beyond 10^15 mm
  not_integers,      ///< asked for labels, found a value that is no integer
  unknown_label      ///< asked for labels, found an integer that is no label: below 0 or above 255
};

class NiftiError : public DataError {
 public:
  NiftiError(const std::string& message, std::string where, NiftiFault fault)
      : DataError(message, std::move(where)), fault_(fault) {}
  [[nodiscard]] NiftiFault fault() const { return fault_; }

 private:
  NiftiFault fault_;
};

/// The unit that a file's lengths are in (xyzt_units). They are converted to mm as they are read; a file that names no
/// unit is taken to be in mm.
enum class LengthUnit : std::uint8_t { unknown, metre, mm, micron };

struct NiftiHeader;  // of one file, with the permutation from its own axes to the canonical ones; data/nifti/header.h

/// A 3D image file: .nii, .nii.gz or .hdr/.img, NIfTI-1 or -2 (ANALYZE 7.5 is refused: it has no orientation), either
/// endianness, any integer or float type up to 64 bits, reoriented to the canonical order. value = scl_slope * stored +
/// scl_inter in double, then rounded to float; a slope of 0 or NaN means no scaling. What a file is, is decided by its
/// content: a gzipped file may be called .nii, a plain one .nii.gz.
struct NiftiImage {
  Image image;
  std::shared_ptr<const NiftiHeader> header;  ///< of the file: what write_nifti() needs to write on its grid
  std::string datatype;                       ///< as stored: "int16", "float64", ...
  std::string orientation;                    ///< as stored, where each index grows to: "LPS", "RAS", ...
  /// Which of NIfTI's methods placed the volume: "sform" (sform_code > 0), else "qform" (qform_code > 0), else
  /// "pixdim": the file names no orientation, and its indices are taken to grow to Right, Anterior, Superior from
  /// 0,0,0.
  std::string affine_source;
  LengthUnit unit = LengthUnit::unknown;
  bool values_finite = true;
};

/// Throws NiftiError (a DataError) naming the file, what was found and what was wanted. Trailing axes of extent 1 are
/// dropped. Safe to call from several threads.
[[nodiscard]] NiftiImage read_nifti(const std::filesystem::path&);
/// The same for several files on `threads` threads; the error of the first bad file in the list is thrown.
[[nodiscard]] std::vector<NiftiImage> read_nifti(std::span<const std::filesystem::path>, int threads);
/// Volumes of a 4-D file that has `wanted` of them along its fourth axis and extent 1 along any other, in the order of
/// `which`; the file is decompressed once. One volume after the other is converted: in memory are the file's voxels as
/// stored and the volumes asked for.
[[nodiscard]] std::vector<NiftiImage> read_nifti_volumes(const std::filesystem::path&,
                                                         std::span<const std::int64_t> which, std::int64_t wanted);
/// The geometry alone, without the voxels; of a file of `volumes` volumes that of each.
[[nodiscard]] Geometry read_nifti_geometry(const std::filesystem::path&, std::int64_t volumes = 1);

struct NiftiLabels {
  LabelMap labels;
  std::shared_ptr<const NiftiHeader> header;
  LengthUnit unit = LengthUnit::unknown;
};
/// Integer labels 0..255, scaled as above. Values are rounded where they are within 1e-3 of an integer, and refused
/// elsewhere.
[[nodiscard]] NiftiLabels read_nifti_labels(const std::filesystem::path&);

/// Writes a volume in canonical order on the grid, in the axis order and with the header of the file that `like` came
/// from: version, affines and their codes, units, description. Labels as uint8, images as float32, no scaling; intent,
/// display range and header extensions, which speak of the other file's values, are not carried over. The name ends in
/// .nii or .nii.gz. As an AtomicFile (engine/atomic_file.h): no half-written file is ever seen.
void write_nifti(const std::filesystem::path&, const LabelMap&, const NiftiHeader& like);
void write_nifti(const std::filesystem::path&, const Image&, const NiftiHeader& like);
/// The same for a volume that came from no file: its geometry becomes the header.
void write_nifti(const std::filesystem::path&, const LabelMap&);
void write_nifti(const std::filesystem::path&, const Image&);
/// As int16, rounded: what BraTS stores. For synthetic cases. Throws for a value that int16 cannot hold.
void write_nifti_int16(const std::filesystem::path&, const Image&);

}  // namespace vox
