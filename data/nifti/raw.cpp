#include "data/nifti/raw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/nifti/bytes.h"
#include "engine/memory_limits.h"

namespace vox {
namespace {

constexpr std::uint64_t kLargeBytes = 1U << 30U;  // below, that there is no room is seen when memory is asked for
constexpr std::int64_t kMostSkip = 1 << 20;       // of bytes between header and voxels, when a file is read at once

void skip(ByteSource& source, std::int64_t bytes) {
  std::array<std::byte, 4096> ignored{};
  while (bytes > 0) {
    const auto want = static_cast<std::size_t>(std::min<std::int64_t>(bytes, ignored.size()));
    if (source.read(std::span(ignored).first(want)) != want) { return; }  // the voxels then come short
    bytes -= static_cast<std::int64_t>(want);
  }
}

/// Of a volume larger than scanners make: is there room for the four that a case has, as stored and as float? A few MB
/// of zeros, gzipped, are gigabytes, and a header may say anything: that is a case which does not fit, and no reason to
/// end.
void check_room(const ByteSource& source, const NiftiHeader& h, const std::string& shape, std::uint64_t bytes) {
  const auto voxels = static_cast<std::uint64_t>(h.geometry.voxels());
  const std::uint64_t images = h.volumes > 1 ? 1 : 4;  // a file of several volumes is all the images of its case
  const std::uint64_t wanted = images * (bytes + voxels * static_cast<std::uint64_t>(h.volumes) * sizeof(float));
  if (wanted < kLargeBytes) { return; }
  const MemoryLimit there = available_memory(Device::cpu);
  if (wanted <= there.bytes) { return; }
  refuse(NiftiFault::too_large,
         fmt::format("'{}' is too large for this machine: a case with its {} voxels takes {}, there is {} ({})",
                     source.path().string(), shape, bytes_text(wanted), bytes_text(there.bytes), there.source));
}

/// The voxels start `skip_bytes` after where the source stands, which is `header_bytes` from the start of its content.
void read_voxels(ByteSource& source, std::int64_t header_bytes, std::int64_t skip_bytes, RawVolume& out) {
  const Extents& n = out.header.extents;
  const auto voxels = static_cast<std::uint64_t>(n[0] * n[1] * n[2] * out.header.volumes);
  const std::uint64_t bytes = voxels * voxel_bytes(out.header.datatype);
  const std::string more = out.header.volumes > 1 ? fmt::format("x{}", out.header.volumes) : "";
  const std::string shape = fmt::format("{}x{}x{}{} {}", n[0], n[1], n[2], more, datatype_name(out.header.datatype));
  if (bytes > source.most_bytes()) {
    refuse(NiftiFault::damaged,
           fmt::format("'{}' is too short for its {} voxels: at most {} bytes, wants {}: truncated, or a wrong header",
                       source.path().string(), shape, source.most_bytes(), bytes));
  }
  check_room(source, out.header, shape, bytes);
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

}  // namespace

RawVolume read_raw_volume(const std::filesystem::path& path, std::int64_t volumes) {
  RawVolume out;
  ByteSource source(header_path(path));
  out.header = read_header(source, volumes);
  if (out.header.separate_voxels) {
    ByteSource image(voxels_path(source.path()));
    read_voxels(image, 0, out.header.voxel_offset_bytes, out);
  } else {
    const std::int64_t header_bytes = std::visit([](const auto& h) { return std::int64_t{sizeof h}; }, out.header.raw);
    read_voxels(source, header_bytes, out.header.voxel_offset_bytes - header_bytes, out);
  }
  return out;
}

}  // namespace vox
