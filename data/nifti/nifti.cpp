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
#include "kernels/base/parallel.h"

namespace vox {
namespace {

constexpr std::int64_t kMostSkip = 1 << 20;  // of bytes between header and voxels, when a file is read at once

struct RawVolume {
  NiftiHeader header;
  LargeBytes content;           // of the file, or of its voxels alone
  std::byte* voxels = nullptr;  // in there: as stored, in this machine's byte order
};

void skip(ByteSource& source, std::int64_t bytes) {
  std::array<std::byte, 4096> ignored{};
  while (bytes > 0) {
    const auto want = static_cast<std::size_t>(std::min<std::int64_t>(bytes, ignored.size()));
    if (source.read(std::span(ignored).first(want)) != want) { return; }  // the voxels then come short
    bytes -= static_cast<std::int64_t>(want);
  }
}

/// The voxels start `skip_bytes` after where the source stands, which is `header_bytes` from the start of its content.
void read_voxels(ByteSource& source, std::int64_t header_bytes, std::int64_t skip_bytes, RawVolume& out) {
  const Extents& n = out.header.extents;
  const auto voxels = static_cast<std::uint64_t>(n[0] * n[1] * n[2]);
  const std::uint64_t bytes = voxels * voxel_bytes(out.header.datatype);
  const std::string shape = fmt::format("{}x{}x{} {}", n[0], n[1], n[2], datatype_name(out.header.datatype));
  if (bytes > source.most_bytes()) {
    refuse(NiftiFault::damaged,
           fmt::format("'{}' is too short for its {} voxels: at most {} bytes, wants {}: truncated, or a wrong header",
                       source.path().string(), shape, source.most_bytes(), bytes));
  }
  const bool at_once = skip_bytes <= kMostSkip;
  const std::size_t before = at_once ? static_cast<std::size_t>(header_bytes + skip_bytes) : 0;
  out.content = LargeBytes(before + bytes + ByteSource::kMostSurplusBytes);
  out.voxels = out.content.data() + before;
  if (!at_once || source.whole(out.content.all()).value_or(0) < before + bytes) {
    skip(source, skip_bytes);
    const std::size_t came = source.read({out.voxels, bytes});
    if (came != bytes) {
      refuse(NiftiFault::damaged, fmt::format("'{}' holds {} bytes of voxels; its {} voxels want {}: the file is "
                                              "truncated",
                                              source.path().string(), came, shape, bytes));
    }
    source.finish();
  }
  const auto size = static_cast<int>(voxel_bytes(out.header.datatype));
  if (out.header.swapped && size > 1) { nifti_swap_Nbytes(static_cast<std::int64_t>(voxels), size, out.voxels); }
}

RawVolume read_raw_volume(const std::filesystem::path& path) {
  RawVolume out;
  ByteSource source(header_path(path));
  out.header = read_header(source);
  if (out.header.separate_voxels) {
    ByteSource image(voxels_path(source.path()));
    read_voxels(image, 0, out.header.voxel_offset_bytes, out);
  } else {
    const std::int64_t header_bytes = std::visit([](const auto& h) { return std::int64_t{sizeof h}; }, out.header.raw);
    read_voxels(source, header_bytes, out.header.voxel_offset_bytes - header_bytes, out);
  }
  return out;
}

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

}  // namespace

NiftiImage read_nifti(const std::filesystem::path& path) {
  RawVolume raw = read_raw_volume(path);
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
  out.header = std::make_shared<const NiftiHeader>(std::move(raw.header));
  return out;
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

Geometry read_nifti_geometry(const std::filesystem::path& path) {
  ByteSource source(header_path(path));
  return read_header(source).geometry;
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
