#include "data/nifti/nifti.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <exception>
#include <type_traits>
#include <utility>

#include "data/nifti/bytes.h"
#include "data/nifti/header.h"
#include "data/nifti/orientation.h"
#include "data/nifti/raw.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

template <class T> struct Stored { using type = T; };

/// Calls body(Stored<T>{}) with the C++ type of the voxels.
template <class Body> void with_type(int datatype, const Body& body) {
  switch (datatype) {
    case DT_UINT8:
      return body(Stored<std::uint8_t>{});
    case DT_INT8:
      return body(Stored<std::int8_t>{});
    case DT_UINT16:
      return body(Stored<std::uint16_t>{});
    case DT_INT16:
      return body(Stored<std::int16_t>{});
    case DT_UINT32:
      return body(Stored<std::uint32_t>{});
    case DT_INT32:
      return body(Stored<std::int32_t>{});
    case DT_FLOAT32:
      return body(Stored<float>{});
    case DT_UINT64:
      return body(Stored<std::uint64_t>{});
    case DT_INT64:
      return body(Stored<std::int64_t>{});
    case DT_FLOAT64:
      return body(Stored<double>{});
    default:
      VOX_FAIL("with_type: type {} passed the header check", datatype);
  }
}

template <class T> T load(const std::byte* voxels, std::int64_t index) {
  T value{};
  std::memcpy(&value, voxels + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

/// Calls body(canonical offset, stored offset), in the order of canonical offsets; one plain loop where nothing moves.
template <class Body> void for_each(const NiftiHeader& h, const Body& body) {
  if (h.axes.is_identity()) {
    for (std::int64_t v = 0; v < h.geometry.voxels(); ++v) { body(v, v); }
  } else {
    for_each_voxel(h.axes, h.extents, body);
  }
}

/// Rounded to float once, from double.
template <class T> float to_float(T stored) { return static_cast<float>(stored); }

template <class T> void convert(const RawVolume& raw, LargeVector<float>& out) {
  const std::byte* const voxels = raw.voxels;
  float* const to = out.data();
  if (!raw.header.scaled) {
    for_each(raw.header, [=](std::int64_t at, std::int64_t from) { to[at] = to_float(load<T>(voxels, from)); });
    return;
  }
  const double slope = raw.header.slope;
  const double inter = raw.header.inter;
  for_each(raw.header, [=](std::int64_t at, std::int64_t from) {
    to[at] = static_cast<float>(slope * static_cast<double>(load<T>(voxels, from)) + inter);
  });
}

bool all_finite(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7F800000U;
  bool bad = false;  // no early exit: it would keep the loop from vectorising
  for (const float v : values) { bad |= (std::bit_cast<std::uint32_t>(v) & kExponent) == kExponent; }
  return !bad;
}

constexpr double kRoundoff = 1e-3;  // of labels that went through floats

[[noreturn]] void not_a_label(const std::filesystem::path& path, const NiftiHeader& h, std::int64_t from,
                              double value) {
  const std::int64_t i = from % h.extents[0];
  const std::int64_t j = from / h.extents[0] % h.extents[1];
  const std::int64_t k = from / h.extents[0] / h.extents[1];
  const bool integer = std::abs(value - std::nearbyint(value)) <= kRoundoff;
  refuse(integer ? NiftiFault::unknown_label : NiftiFault::not_integers,
         fmt::format("'{}': voxel ({}, {}, {}) holds {}; wants a label, an integer from 0 to 255", path.string(), i, j,
                     k, value));
}

template <class T>
void convert_labels(const std::filesystem::path& path, const RawVolume& raw, LargeVector<std::uint8_t>& out) {
  const std::byte* const voxels = raw.voxels;
  std::uint8_t* const to = out.data();
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    if (!raw.header.scaled) {
      for_each(raw.header, [=](std::int64_t at, std::int64_t from) { to[at] = load<T>(voxels, from); });
      return;
    }
  }
  for_each(raw.header, [&](std::int64_t at, std::int64_t from) {
    const double value = raw.header.slope * static_cast<double>(load<T>(voxels, from)) + raw.header.inter;
    const double label = std::nearbyint(value);
    if (!(std::abs(value - label) <= kRoundoff && label >= 0 && label <= 255)) {
      not_a_label(path, raw.header, from, value);
    }
    to[at] = static_cast<std::uint8_t>(label);
  });
}

/// The voxels where `raw` points, which become the image with its header.
NiftiImage to_image(const RawVolume& raw) {
  NiftiImage out;
  out.image.geometry = raw.header.geometry;
  out.image.values = LargeVector<float>(static_cast<std::size_t>(raw.header.geometry.voxels()), uncleared);
  with_type(raw.header.datatype, [&](auto tag) { convert<typename decltype(tag)::type>(raw, out.image.values); });
  const bool integers = raw.header.datatype != DT_FLOAT32 && raw.header.datatype != DT_FLOAT64;
  out.values_finite = (integers && !raw.header.scaled) || all_finite(out.image.values);
  out.datatype = datatype_name(raw.header.datatype);
  out.orientation = orientation_name(raw.header.axes);
  out.affine_source = raw.header.affine_source;
  out.unit = raw.header.unit;
  out.header = std::make_shared<const NiftiHeader>(raw.header);
  return out;
}

}  // namespace

NiftiImage read_nifti(const std::filesystem::path& path) { return to_image(read_raw_volume(path)); }

std::vector<NiftiImage> read_nifti_volumes(const std::filesystem::path& path, std::span<const std::int64_t> which,
                                           std::int64_t wanted) {
  RawVolume raw = read_raw_volume(path, wanted);
  std::byte* const first = raw.voxels;
  const std::int64_t bytes = raw.header.geometry.voxels() * static_cast<std::int64_t>(voxel_bytes(raw.header.datatype));
  std::vector<NiftiImage> images;
  for (const std::int64_t volume : which) {
    VOX_CHECK(volume >= 0 && volume < wanted, "read_nifti_volumes: volume {} of {}", volume, wanted);
    raw.voxels = first + volume * bytes;
    images.push_back(to_image(raw));
  }
  return images;
}

std::vector<NiftiImage> read_nifti(std::span<const std::filesystem::path> paths, int threads) {
  std::vector<NiftiImage> images(paths.size());
  std::vector<std::exception_ptr> errors(paths.size());
  parallel_for(threads, std::ssize(paths), [&](std::int64_t i) {
    const auto file = static_cast<std::size_t>(i);
    try {
      images[file] = read_nifti(paths[file]);
    } catch (...) { errors[file] = std::current_exception(); }
  });
  for (const auto& error : errors) {
    if (error) { std::rethrow_exception(error); }
  }
  return images;
}

Geometry read_nifti_geometry(const std::filesystem::path& path, std::int64_t volumes) {
  ByteSource source(header_path(path));
  return read_header(source, volumes).geometry;
}

NiftiLabels read_nifti_labels(const std::filesystem::path& path) {
  RawVolume raw = read_raw_volume(path);
  NiftiLabels out;
  out.labels.geometry = raw.header.geometry;
  out.labels.values.resize(static_cast<std::size_t>(raw.header.geometry.voxels()));
  with_type(raw.header.datatype,
            [&](auto tag) { convert_labels<typename decltype(tag)::type>(path, raw, out.labels.values); });
  out.unit = raw.header.unit;
  out.header = std::make_shared<const NiftiHeader>(std::move(raw.header));
  return out;
}

}  // namespace vox
