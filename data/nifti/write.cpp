#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "data/nifti/gzip_writer.h"
#include "data/nifti/header.h"
#include "data/nifti/nifti.h"
#include "data/nifti/orientation.h"
#include "engine/atomic_file.h"

namespace vox {
namespace {

/// Of the values written: no scaling.
template <class T> constexpr int datatype_of() {
  if constexpr (std::is_same_v<T, std::uint8_t>) { return DT_UINT8; }
  if constexpr (std::is_same_v<T, std::int16_t>) { return DT_INT16; }
  if constexpr (std::is_same_v<T, float>) { return DT_FLOAT32; }
}

/// What describes the voxels of the new file; everything about where they lie stays.
template <class Header> void describe_values(Header& h, const Extents& extents, int datatype) {
  using Dim = std::remove_reference_t<decltype(h.dim[0])>;
  h.dim[0] = 3;
  for (std::size_t axis = 0; axis < 3; ++axis) { h.dim[axis + 1] = static_cast<Dim>(extents[axis]); }
  for (std::size_t axis = 4; axis < 8; ++axis) { h.dim[axis] = 1; }
  h.datatype = static_cast<decltype(h.datatype)>(datatype);
  h.bitpix = static_cast<decltype(h.bitpix)>(voxel_bytes(datatype) * 8);
  h.scl_slope = 1;
  h.scl_inter = 0;
  h.cal_min = 0;
  h.cal_max = 0;
  h.intent_code = NIFTI_INTENT_NONE;
  h.intent_p1 = 0;
  h.intent_p2 = 0;
  h.intent_p3 = 0;
  std::fill(std::begin(h.intent_name), std::end(h.intent_name), '\0');
  h.vox_offset = sizeof(Header) + 4;  // four zero bytes: no extensions
  const char* const magic = sizeof(Header) == sizeof(nifti_1_header) ? "n+1\0" : "n+2\0\r\n\032\n";
  std::memcpy(h.magic, magic, sizeof h.magic);
}

/// The affine as sform, and as qform too where rotation and voxel size say the same.
template <class Header> void describe_place(Header& h, const Affine& affine) {
  using Real = std::remove_reference_t<decltype(h.pixdim[0])>;
  nifti_dmat44 m{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) { m.m[row][column] = affine[row * 4 + column]; }
  }
  m.m[3][3] = 1;
  double b = 0, c = 0, d = 0, x = 0, y = 0, z = 0, di = 0, dj = 0, dk = 0, handedness = 0;
  nifti_dmat44_to_quatern(m, &b, &c, &d, &x, &y, &z, &di, &dj, &dk, &handedness);
  const nifti_dmat44 again = nifti_quatern_to_dmat44(b, c, d, x, y, z, di, dj, dk, handedness);
  const double edge_mm = std::max({di, dj, dk});
  bool same = true;
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 3; ++column) {
      same = same && std::abs(again.m[row][column] - m.m[row][column]) <= 1e-4 * edge_mm;
    }
  }
  h.sizeof_hdr = sizeof(Header);
  h.xyzt_units = NIFTI_UNITS_MM;
  h.sform_code = NIFTI_XFORM_SCANNER_ANAT;
  h.qform_code = same ? NIFTI_XFORM_SCANNER_ANAT : NIFTI_XFORM_UNKNOWN;
  const std::array<double, 4> pixdim{handedness, di, dj, dk};
  for (std::size_t i = 0; i < 4; ++i) {
    h.pixdim[i] = static_cast<Real>(pixdim[i]);
    h.srow_x[i] = static_cast<Real>(affine[i]);
    h.srow_y[i] = static_cast<Real>(affine[4 + i]);
    h.srow_z[i] = static_cast<Real>(affine[8 + i]);
  }
  h.quatern_b = static_cast<Real>(b);
  h.quatern_c = static_cast<Real>(c);
  h.quatern_d = static_cast<Real>(d);
  h.qoffset_x = static_cast<Real>(x);
  h.qoffset_y = static_cast<Real>(y);
  h.qoffset_z = static_cast<Real>(z);
}

/// For a volume in canonical order that came from no file. NIfTI-2 only where NIfTI-1 cannot count the voxels.
NiftiHeader header_for(const Geometry& g) {
  NiftiHeader header;
  header.geometry = g;
  header.extents = {g.size[2], g.size[1], g.size[0]};
  const std::int64_t longest = *std::max_element(g.size.begin(), g.size.end());
  if (longest <= std::numeric_limits<std::int16_t>::max()) {
    header.raw = nifti_1_header{};
  } else {
    header.raw = nifti_2_header{};
  }
  std::visit([&](auto& h) { describe_place(h, g.affine); }, header.raw);
  return header;
}

void append(std::vector<std::byte>& to, const void* from, std::size_t bytes) {
  const auto* const b = static_cast<const std::byte*>(from);
  to.insert(to.end(), b, b + bytes);
}

template <class T>
void write_volume(const std::filesystem::path& path, std::span<const T> values, const Geometry& geometry,
                  const NiftiHeader& like) {
  static_assert(std::endian::native == std::endian::little, "NIfTI is written in the machine's byte order");
  const std::string name = path.string();
  const bool gzip = name.ends_with(".nii.gz");
  VOX_CHECK(gzip || name.ends_with(".nii"), "write_nifti: '{}' wants a name that ends in .nii or .nii.gz", name);
  VOX_CHECK(geometry.size == like.geometry.size, "write_nifti: '{}' is {}, the file it is to be like is {}", name,
            fmt::join(geometry.size, "x"), fmt::join(like.geometry.size, "x"));
  VOX_CHECK(std::ssize(values) == geometry.voxels(), "write_nifti: '{}' has {} values, wants {}", name, values.size(),
            geometry.voxels());
  std::vector<std::byte> head;
  std::visit(
      [&](auto h) {
        describe_values(h, like.extents, datatype_of<T>());
        append(head, &h, sizeof h);
      },
      like.raw);
  head.resize(head.size() + 4);

  std::vector<T> moved;
  if (!like.axes.is_identity()) {
    moved.resize(values.size());
    for_each_voxel(like.axes, like.extents, [&](std::int64_t canonical, std::int64_t stored) {
      moved[static_cast<std::size_t>(stored)] = values[static_cast<std::size_t>(canonical)];
    });
  }
  const auto body = std::as_bytes(std::span(moved.empty() ? values : moved));
  AtomicFile file(path);
  if (gzip) {
    GzipWriter writer(file);
    writer.write(head);
    writer.write(body);
    writer.finish();
  } else {
    file.write(head);
    file.write(body);
  }
  file.commit();
}

}  // namespace

void write_nifti(const std::filesystem::path& path, const LabelMap& v, const NiftiHeader& like) {
  write_volume<std::uint8_t>(path, v.values, v.geometry, like);
}

void write_nifti(const std::filesystem::path& path, const Image& v, const NiftiHeader& like) {
  write_volume<float>(path, v.values, v.geometry, like);
}

void write_nifti(const std::filesystem::path& path, const LabelMap& v) {
  write_volume<std::uint8_t>(path, v.values, v.geometry, header_for(v.geometry));
}

void write_nifti(const std::filesystem::path& path, const Image& v) {
  write_volume<float>(path, v.values, v.geometry, header_for(v.geometry));
}

void write_nifti_int16(const std::filesystem::path& path, const Image& v) {
  std::vector<std::int16_t> values(v.values.size());
  std::transform(v.values.begin(), v.values.end(), values.begin(), [&](float value) {
    const float rounded = std::nearbyint(value);
    VOX_CHECK(rounded >= -32768.0F && rounded <= 32767.0F, "write_nifti_int16: '{}' holds {}, which int16 cannot",
              path.string(), value);
    return static_cast<std::int16_t>(rounded);
  });
  write_volume<std::int16_t>(path, values, v.geometry, header_for(v.geometry));
}

}  // namespace vox
