#include "data/nifti/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>

#include "kernels/base/size_product.h"

namespace vox {
namespace {

/// The fields that both versions have under the same names.
struct Fields {
  std::array<std::int64_t, 8> dim{};
  std::array<double, 8> pixdim{};
  int datatype = 0;
  int intent_code = 0;
  double vox_offset = 0;
  double slope = 0;
  double inter = 0;
  int units = 0;  // xyzt_units: of length in bits 0 to 2, of time in 3 to 5
  int qform_code = 0;
  int sform_code = 0;
  std::array<double, 6> quatern{};  // b, c, d, then the offsets
  Affine srow{};
};

template <class Header> Fields fields_of(const Header& h) {
  Fields f;
  for (std::size_t i = 0; i < 8; ++i) {
    f.dim[i] = h.dim[i];
    f.pixdim[i] = h.pixdim[i];
  }
  f.datatype = h.datatype;
  f.intent_code = h.intent_code;
  f.vox_offset = static_cast<double>(h.vox_offset);
  f.slope = h.scl_slope;
  f.inter = h.scl_inter;
  f.units = static_cast<unsigned char>(h.xyzt_units);
  f.qform_code = h.qform_code;
  f.sform_code = h.sform_code;
  f.quatern = {h.quatern_b, h.quatern_c, h.quatern_d, h.qoffset_x, h.qoffset_y, h.qoffset_z};
  for (std::size_t i = 0; i < 4; ++i) {
    f.srow[i] = h.srow_x[i];
    f.srow[4 + i] = h.srow_y[i];
    f.srow[8 + i] = h.srow_z[i];
  }
  return f;
}

/// What a file is that is not NIfTI, for the message.
std::string guess_format(std::span<const std::byte> start) {
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  using namespace std::string_view_literals;
  if (text.starts_with("NRRD")) { return "an NRRD file"; }
  if (text.starts_with("\0\0\0\1"sv)) { return "probably an MGH/MGZ file of FreeSurfer"; }
  if (text.starts_with("\x1F\x8B")) { return "gzip in gzip"; }
  if (text.starts_with("PK\3\4")) { return "a zip archive"; }
  if (text.starts_with("\x89HDF")) { return "an HDF5 file (MINC 2, Keras, ...)"; }
  if (text.starts_with("\x93NUMPY")) { return "a NumPy file"; }
  if (text.starts_with("ObjectType") || text.starts_with("NDims")) { return "a MetaImage header"; }
  if (text.size() >= 132 && text.substr(128, 4) == "DICM") { return "a DICOM file"; }
  const auto is_text = [](char c) {
    return std::isprint(static_cast<unsigned char>(c)) != 0 || c == '\n' || c == '\r' || c == '\t';
  };
  if (std::all_of(text.begin(), text.end(), is_text)) { return "text"; }
  return "an unknown format";
}

[[noreturn]] void not_nifti(const ByteSource& source, const std::string& found) {
  refuse(NiftiFault::not_nifti, fmt::format("'{}' is {}; wants NIfTI-1 or NIfTI-2", source.path().string(), found));
}

template <class Header> Header header_from(std::span<const std::byte> bytes, bool swapped, int version) {
  Header h{};
  std::memcpy(&h, bytes.data(), sizeof h);
  if (swapped) { swap_nifti_header(&h, version); }
  return h;
}

/// Version, byte order and magic: reads 348 or 540 bytes.
void read_raw(ByteSource& source, NiftiHeader& out) {
  std::array<std::byte, sizeof(nifti_2_header)> bytes{};
  const std::size_t n = source.read(std::span(bytes).first(sizeof(nifti_1_header)));
  const auto start = std::span<const std::byte>(bytes).first(n);
  std::int32_t size_field = 0;
  if (n >= sizeof size_field) { std::memcpy(&size_field, bytes.data(), sizeof size_field); }
  std::int32_t swapped_field = size_field;
  nifti_swap_Nbytes(1, sizeof swapped_field, &swapped_field);
  constexpr std::int32_t kSize1 = sizeof(nifti_1_header);
  constexpr std::int32_t kSize2 = sizeof(nifti_2_header);
  out.swapped = swapped_field == kSize1 || swapped_field == kSize2;
  const std::int32_t size = out.swapped ? swapped_field : size_field;
  if (size != kSize1 && size != kSize2) { not_nifti(source, guess_format(start)); }
  const auto want = static_cast<std::size_t>(size);
  const std::size_t rest = want > n ? source.read(std::span(bytes).subspan(n, want - n)) : 0;
  if (n + rest < want) {
    refuse(NiftiFault::damaged,
           fmt::format("'{}' ends after {} bytes, inside its {}-byte header", source.path().string(), n + rest, want));
  }

  if (want == sizeof(nifti_2_header)) {
    const auto h = header_from<nifti_2_header>(bytes, out.swapped, 2);
    constexpr std::string_view kTail("\r\n\x1A\n", 4);  // damaged by a transfer in text mode
    const std::string_view magic(h.magic, sizeof h.magic);
    out.separate_voxels = magic.starts_with(std::string_view("ni2\0", 4));
    if (!(out.separate_voxels || magic.starts_with(std::string_view("n+2\0", 4))) || magic.substr(4) != kTail) {
      not_nifti(source, "540 bytes of header without the NIfTI-2 magic");
    }
    out.raw = h;
    return;
  }
  const auto h = header_from<nifti_1_header>(bytes, out.swapped, 1);
  const std::string_view magic(h.magic, sizeof h.magic);
  out.separate_voxels = magic == std::string_view("ni1\0", 4);
  if (!out.separate_voxels && magic != std::string_view("n+1\0", 4)) {
    not_nifti(source, "ANALYZE 7.5 (no NIfTI magic), which does not say where left and right are");
  }
  out.raw = h;
}

void check_extents(const std::string& file, const Fields& f, std::int64_t wanted, NiftiHeader& out) {
  constexpr int kFirstCifti = 3000;
  constexpr int kLastCifti = 3099;
  if (f.intent_code >= kFirstCifti && f.intent_code <= kLastCifti) {
    refuse(NiftiFault::not_one_volume,
           fmt::format("'{}' is CIFTI-2 (intent {}): values of a surface, not a volume; wants one 3-D volume", file,
                       f.intent_code));
  }
  const std::int64_t rank = f.dim[0];
  if (rank < 1 || rank > 7) {
    refuse(NiftiFault::damaged, fmt::format("'{}': its header says {} axes; wants 3", file, rank));
  }
  std::string shape;
  std::int64_t voxels = 1;
  std::int64_t volumes = 1;
  for (std::size_t axis = 1; axis <= static_cast<std::size_t>(rank); ++axis) {
    const std::int64_t n = f.dim[axis];
    shape += fmt::format("{}{}", axis == 1 ? "" : "x", n);
    const std::optional<std::int64_t> all = n < 1 ? std::nullopt : size_product({voxels, n}, kMostVoxels);
    if (!all) { refuse(NiftiFault::damaged, fmt::format("'{}': axis {} of its header has {} voxels", file, axis, n)); }
    voxels = *all;
    if (axis > 3) { volumes *= n; }
  }
  const bool fourth = wanted == 1 || (rank >= 4 && f.dim[4] == wanted);  // and not the fifth
  if (rank < 3 || volumes != wanted || !fourth) {
    refuse(NiftiFault::not_one_volume,
           fmt::format("'{}' is {}-D, {}; wants {}", file, rank, shape,
                       wanted == 1 ? "one 3-D volume" : fmt::format("4-D, with {} volumes", wanted)));
  }
  out.volumes = volumes;
  out.extents = {f.dim[1], f.dim[2], f.dim[3]};
}

void check_type(const std::string& file, const Fields& f, NiftiHeader& out) {
  out.datatype = f.datatype;
  if (voxel_bytes(f.datatype) == 0) {
    refuse(NiftiFault::unsupported_type,
           fmt::format("'{}' holds {} voxels (type {}); wants integers or floats of 8 to 64 bits", file,
                       datatype_name(f.datatype), f.datatype));
  }
  if (std::isfinite(f.slope) && f.slope != 0) {
    if (!std::isfinite(f.inter)) {
      refuse(NiftiFault::damaged, fmt::format("'{}': scl_slope is {}, but scl_inter is {}", file, f.slope, f.inter));
    }
    out.slope = f.slope;
    out.inter = f.inter;
    out.scaled = f.slope != 1 || f.inter != 0;
  }
}

void check_offset(const std::string& file, const Fields& f, NiftiHeader& out) {
  const bool version1 = std::holds_alternative<nifti_1_header>(out.raw);
  const std::int64_t header_bytes = version1 ? sizeof(nifti_1_header) : sizeof(nifti_2_header);
  const double smallest = out.separate_voxels ? 0.0 : static_cast<double>(header_bytes);
  constexpr double kLargest = 1e15;
  double offset = f.vox_offset;
  if (!out.separate_voxels && offset == 0) { offset = static_cast<double>(header_bytes + 4); }  // as nibabel reads it
  if (!(offset >= smallest && offset <= kLargest) || offset != std::floor(offset)) {
    refuse(NiftiFault::damaged,
           fmt::format("'{}': its header puts the voxels at byte {}; wants {} or more", file, offset, smallest));
  }
  out.voxel_offset_bytes = static_cast<std::int64_t>(offset);
}

Affine affine_of(const std::string& file, const Fields& f, std::string& source) {
  if (f.sform_code > 0) {
    source = "sform";
    return f.srow;
  }
  for (std::size_t axis = 1; axis <= 3; ++axis) {
    if (!(f.pixdim[axis] > 0) || !std::isfinite(f.pixdim[axis])) {
      refuse(NiftiFault::bad_geometry,
             fmt::format("'{}': the voxel edge along axis {} is {}; wants more than 0", file, axis, f.pixdim[axis]));
    }
  }
  if (f.qform_code <= 0) {
    source = "pixdim";
    return {f.pixdim[1], 0, 0, 0, 0, f.pixdim[2], 0, 0, 0, 0, f.pixdim[3], 0};
  }
  source = "qform";
  const auto& q = f.quatern;
  constexpr double kRoundoff = 1e-3;  // of a float32 quaternion that was rounded to a few digits
  const double length = q[0] * q[0] + q[1] * q[1] + q[2] * q[2];
  if (!(length <= 1 + kRoundoff)) {  // also NaN
    refuse(NiftiFault::bad_geometry,
           fmt::format("'{}': the quaternion of its qform is ({}, {}, {}), of length above 1", file, q[0], q[1], q[2]));
  }
  const nifti_dmat44 m = nifti_quatern_to_dmat44(q[0], q[1], q[2], q[3], q[4], q[5], f.pixdim[1], f.pixdim[2],
                                                 f.pixdim[3], f.pixdim[0] < 0 ? -1.0 : 1.0);
  Affine affine{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) { affine[row * 4 + column] = m.m[row][column]; }
  }
  return affine;
}

constexpr double kFarthestMm = 1e15;  // beyond, areas and volumes computed of places and edges are no numbers, or 0

double mm_per(LengthUnit unit) {
  switch (unit) {
    case LengthUnit::metre:
      return 1e3;
    case LengthUnit::micron:
      return 1e-3;
    case LengthUnit::mm:
    case LengthUnit::unknown:
      return 1;
  }
  VOX_FAIL("mm_per: unknown unit");
}

LengthUnit unit_of(const std::string& file, const Fields& f) {
  switch (f.units & 0x07) {
    case NIFTI_UNITS_UNKNOWN:
      return LengthUnit::unknown;
    case NIFTI_UNITS_METER:
      return LengthUnit::metre;
    case NIFTI_UNITS_MM:
      return LengthUnit::mm;
    case NIFTI_UNITS_MICRON:
      return LengthUnit::micron;
    default:
      refuse(NiftiFault::bad_geometry,
             fmt::format("'{}': the unit of length in its header is {} (xyzt_units {}), which NIfTI reserves; wants 1 "
                         "(metre), 2 (mm), 3 (micron) or 0 (not named, taken as mm)",
                         file, f.units & 0x07, f.units));
  }
}

void check_geometry(const std::string& file, const Fields& f, NiftiHeader& out) {
  out.unit = unit_of(file, f);
  Affine stored = affine_of(file, f, out.affine_source);
  if (const double scale = mm_per(out.unit); scale != 1) {
    for (double& length : stored) { length *= scale; }
  }
  const auto axes = canonical_axes(stored);
  if (!axes) {
    refuse(NiftiFault::bad_geometry, fmt::format("'{}': the affine of its {} cannot be inverted: [{}]", file,
                                                 out.affine_source, fmt::join(stored, ", ")));
  }
  out.axes = *axes;
  Geometry& g = out.geometry;
  const Extents size = canonical_extents(out.axes, out.extents);
  g.size = {size[2], size[1], size[0]};
  g.affine = canonical_affine(out.axes, stored, out.extents);
  const auto edges = column_lengths_mm(g.affine);
  g.spacing_mm = {edges[2], edges[1], edges[0]};
  const auto is_place = [](double mm) { return std::abs(mm) <= kFarthestMm; };  // no NaN either
  const auto is_edge = [&](double mm) { return is_place(mm) && mm >= 1 / kFarthestMm; };
  if (!std::ranges::all_of(g.affine, is_place) || !std::ranges::all_of(edges, is_edge)) {
    refuse(NiftiFault::bad_geometry,
           fmt::format("'{}': by its {} voxels have edges of {} mm, and the first of {}x{}x{} lies at {}, {}, {} mm; "
                       "wants edges from {} mm and "
                       "places to {} mm",
                       file, out.affine_source, fmt::join(edges, " x "), size[0], size[1], size[2], g.affine[3],
                       g.affine[7], g.affine[11], 1 / kFarthestMm, kFarthestMm));
  }
}

}  // namespace

NiftiHeader read_header(ByteSource& source, std::int64_t volumes) {
  NiftiHeader out;
  read_raw(source, out);
  const Fields f = std::visit([](const auto& h) { return fields_of(h); }, out.raw);
  const std::string file = source.path().string();
  check_extents(file, f, volumes, out);
  check_type(file, f, out);
  check_offset(file, f, out);
  check_geometry(file, f, out);
  return out;
}

}  // namespace vox
