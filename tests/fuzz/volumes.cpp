// NIfTI: a file's image, its labels, a pair of header and voxels.
#include <zlib.h>

#include <algorithm>
#include <cmath>

#include "data/nifti/nifti.h"
#include "tests/fuzz/target.h"

namespace vox::fuzz {
namespace {

constexpr int kGzip = 15 + 16;

void require_sound(const Geometry& g, std::size_t values) {
  require(std::ranges::all_of(g.size, [](std::int64_t n) { return n >= 1; }), "an extent below 1");
  require(static_cast<std::size_t>(g.voxels()) == values, "not as many values as voxels");
  require(std::ranges::all_of(g.spacing_mm, [](double mm) { return std::isfinite(mm) && mm > 0; }),
          "a voxel edge that is no length");
  require(std::ranges::all_of(g.affine, [](double v) { return std::isfinite(v); }), "an affine that is not finite");
}

/// What was read is written on its own grid, and read again.
void require_same_again(const NiftiImage& first) {
  const std::string path = file_with("again.nii", "");
  write_nifti(path, first.image, *first.header);
  const NiftiImage again = read_nifti(path);
  require(again.image.geometry.size == first.image.geometry.size, "other extents when written and read again");
  const auto same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  require(std::ranges::equal(first.image.values, again.image.values, same), "other values when written and read again");
}

}  // namespace

void fuzz_nifti(std::string_view bytes) {
  const std::string path = file_with("image.nii", bytes);
  const NiftiImage read = read_nifti(path);
  require_sound(read.image.geometry, read.image.values.size());
  require(read_nifti_geometry(path) == read.image.geometry, "another geometry without the voxels");
  require_same_again(read);
}

void fuzz_nifti_labels(std::string_view bytes) {
  const NiftiLabels read = read_nifti_labels(file_with("labels.nii", bytes));
  require_sound(read.labels.geometry, read.labels.values.size());
}

void fuzz_nifti_pair(std::string_view bytes) {
  const std::size_t cut = std::min<std::size_t>(bytes.size(), 540);  // of NIfTI-2; NIfTI-1 reads 348 of them
  const std::string header = file_with("pair.hdr", bytes.substr(0, cut));
  static_cast<void>(file_with("pair.img", bytes.substr(cut)));
  const NiftiImage read = read_nifti(header);
  require_sound(read.image.geometry, read.image.values.size());
}

std::string gunzipped(std::string_view bytes) {
  constexpr std::size_t kMost = std::size_t{1} << 16U;
  std::string out(kMost, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, kGzip) != Z_OK) { return {}; }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // read only: C has no const here
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  static_cast<void>(inflate(&stream, Z_FINISH));
  out.resize(out.size() - stream.avail_out);
  inflateEnd(&stream);
  return out;
}

std::string gzipped(std::string_view bytes) {
  std::string out(bytes.size() + 64 + bytes.size() / 100, '\0');
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) { return {}; }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // read only
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  static_cast<void>(deflate(&stream, Z_FINISH));
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace vox::fuzz
