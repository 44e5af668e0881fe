#pragma once

#include <nifti2_io.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace vox::test {

/// A NIfTI file put together field by field, by hand, so that the reader is not tested with the writer.
template <class Header> struct NiftiFile {
  Header header{};
  std::string voxels;
  bool big_endian = false;

  [[nodiscard]] std::string bytes() const {
    Header h = header;
    std::string body = voxels;
    if (big_endian) {
      swap_nifti_header(&h, sizeof h == sizeof(nifti_1_header) ? 1 : 2);
      const std::size_t size = static_cast<std::size_t>(header.bitpix) / 8;
      for (std::size_t at = 0; at + size <= body.size(); at += size) {
        std::reverse(body.begin() + static_cast<std::ptrdiff_t>(at),
                     body.begin() + static_cast<std::ptrdiff_t>(at + size));
      }
    }
    std::string out(sizeof h, '\0');
    std::memcpy(out.data(), &h, sizeof h);
    return out + std::string(4, '\0') + body;
  }
};

template <class T> int datatype_code() {
  if (std::is_same_v<T, float>) { return 16; }
  if (std::is_same_v<T, double>) { return 64; }
  const bool is_signed = std::is_signed_v<T>;
  switch (sizeof(T)) {
    case 1:
      return is_signed ? 256 : 2;
    case 2:
      return is_signed ? 4 : 512;
    case 4:
      return is_signed ? 8 : 768;
    default:
      return is_signed ? 1024 : 1280;
  }
}

/// A single file, LPS as BraTS: sform diag(-1,-1,1), origin (-0, nj-1, 0).
template <class Header, class T>
NiftiFile<Header> nifti_file(const std::array<int, 3>& ijk, const std::vector<T>& values) {
  NiftiFile<Header> f;
  Header& h = f.header;
  h.sizeof_hdr = sizeof h;
  std::memcpy(h.magic, sizeof h == sizeof(nifti_1_header) ? "n+1\0" : "n+2\0\r\n\032\n", sizeof h.magic);
  h.dim[0] = 3;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    h.dim[axis + 1] = static_cast<std::int16_t>(ijk[axis]);
    h.pixdim[axis + 1] = 1;
  }
  for (std::size_t axis = 4; axis < 8; ++axis) { h.dim[axis] = 1; }
  h.datatype = static_cast<std::int16_t>(datatype_code<T>());
  h.bitpix = static_cast<std::int16_t>(8 * sizeof(T));
  h.vox_offset = sizeof h + 4;
  h.sform_code = 1;
  h.srow_x[0] = -1;
  h.srow_x[3] = -0.0F;
  h.srow_y[1] = -1;
  h.srow_y[3] = static_cast<float>(ijk[1] - 1);
  h.srow_z[2] = 1;
  f.voxels.resize(values.size() * sizeof(T));
  std::memcpy(f.voxels.data(), values.data(), f.voxels.size());
  return f;
}

}  // namespace vox::test
