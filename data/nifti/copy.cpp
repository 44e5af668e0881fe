#include "data/nifti/copy.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <iterator>
#include <vector>

#include "data/nifti/gzip_writer.h"
#include "data/nifti/nifti.h"
#include "data/nifti/raw.h"
#include "engine/read_file.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

std::int64_t volume_bytes(const NiftiHeader& h) {
  return h.geometry.voxels() * static_cast<std::int64_t>(voxel_bytes(h.datatype));
}

/// The header of a file of `volumes` volumes that follow it at once, and what lies between.
std::vector<std::byte> header_bytes(const NiftiHeader& like, std::int64_t volumes, int datatype, bool scaled) {
  std::vector<std::byte> head;
  std::visit(
      [&](auto h) {
        using Header = decltype(h);
        using Dim = std::remove_reference_t<decltype(h.dim[0])>;
        h.dim[0] = volumes > 1 ? 4 : 3;
        for (std::size_t axis = 4; axis < 8; ++axis) { h.dim[axis] = 1; }
        h.dim[4] = static_cast<Dim>(volumes);
        h.datatype = static_cast<decltype(h.datatype)>(datatype);
        h.bitpix = static_cast<decltype(h.bitpix)>(voxel_bytes(datatype) * 8);
        if (!scaled) {
          h.scl_slope = 1;
          h.scl_inter = 0;
        }
        h.vox_offset = sizeof(Header) + 4;  // four zero bytes: no extensions
        const char* const magic = sizeof(Header) == sizeof(nifti_1_header) ? "n+1\0" : "n+2\0\r\n\032\n";
        std::memcpy(h.magic, magic, sizeof h.magic);
        const auto* const bytes = reinterpret_cast<const std::byte*>(&h);
        head.assign(bytes, bytes + sizeof h);
      },
      like.raw);
  head.resize(head.size() + 4);
  return head;
}

void write_gzip(const fs::path& to, std::span<const std::span<const std::byte>> parts) {
  AtomicFile file(to);
  GzipWriter writer(file);
  for (const auto part : parts) { writer.write(part); }
  writer.finish();
  file.commit();
}

bool stored_alike(const NiftiHeader& a, const NiftiHeader& b) {
  return a.datatype == b.datatype && a.slope == b.slope && a.inter == b.inter && a.extents == b.extents &&
         a.axes == b.axes;
}

std::span<const std::byte> stored(const RawVolume& raw, std::int64_t volume) {
  const std::int64_t bytes = volume_bytes(raw.header);
  return {raw.voxels + volume * bytes, static_cast<std::size_t>(bytes)};
}

}  // namespace

void copy_nifti(const fs::path& from, const fs::path& to) {
  ByteSource source(from);
  const NiftiHeader header = read_header(source);
  if (header.separate_voxels) {
    refuse(NiftiFault::not_one_volume,
           fmt::format("'{}' is a header with its voxels in another file; wants .nii or .nii.gz", from.string()));
  }
  const std::string bytes = read_file(from);
  const std::span<const std::byte> content = std::as_bytes(std::span(bytes));
  const bool gzip = bytes.size() > 2 && bytes[0] == '\x1F' && bytes[1] == '\x8B';
  if (gzip) {
    write_file(to, content);
  } else {
    const std::array<std::span<const std::byte>, 1> parts{content};
    write_gzip(to, parts);
  }
}

void extract_volume(const fs::path& from, std::int64_t volume, std::int64_t volumes, const fs::path& to) {
  const RawVolume raw = read_raw_volume(from, volumes);
  const std::vector<std::byte> head = header_bytes(raw.header, 1, raw.header.datatype, true);
  const std::array<std::span<const std::byte>, 2> parts{head, stored(raw, volume)};
  write_gzip(to, parts);
}

void stack_volumes(std::span<const StackedVolume> volumes, const fs::path& to) {
  VOX_CHECK(!volumes.empty(), "stack_volumes: no volume");
  std::vector<RawVolume> raw;
  for (const StackedVolume& v : volumes) { raw.push_back(read_raw_volume(v.file, v.volumes)); }
  const NiftiHeader& first = raw.front().header;
  const auto n = std::ssize(volumes);
  if (std::ranges::all_of(raw, [&](const RawVolume& r) { return stored_alike(first, r.header); })) {
    const std::vector<std::byte> head = header_bytes(first, n, first.datatype, true);
    std::vector<std::span<const std::byte>> parts{head};
    for (std::size_t i = 0; i < raw.size(); ++i) { parts.push_back(stored(raw[i], volumes[i].volume)); }
    write_gzip(to, parts);
    return;
  }
  std::vector<std::byte> head = header_bytes(first, n, DT_FLOAT32, false);
  const AxisMap axes = first.axes;
  const Extents extents = first.extents;
  const Geometry geometry = first.geometry;
  raw.clear();
  std::vector<float> all;
  for (const StackedVolume& v : volumes) {
    const std::array<std::int64_t, 1> which{v.volume};
    const Image image = std::move(read_nifti_volumes(v.file, which, v.volumes).front().image);
    VOX_CHECK_DATA(image.geometry.size == geometry.size, "{}: has not as many voxels as '{}'", v.file.string(),
                   volumes.front().file.string());
    const std::size_t base = all.size();
    all.resize(base + image.values.size());
    for_each_voxel(axes, extents, [&](std::int64_t canonical, std::int64_t at) {
      all[base + static_cast<std::size_t>(at)] = image.values[static_cast<std::size_t>(canonical)];
    });
  }
  const std::array<std::span<const std::byte>, 2> parts{head, std::as_bytes(std::span(all))};
  write_gzip(to, parts);
}

}  // namespace vox
