// NIfTI: a file's image, its labels, a pair of header and voxels.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "data/nifti/copy.h"
#include "data/nifti/nifti.h"
#include "engine/read_file.h"
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
  require(same_values(first.image.values, again.image.values), "other values when written and read again");
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

/// A file of two volumes: read, taken apart and put together again.
void fuzz_nifti_volumes(std::string_view bytes) {
  const std::string path = file_with("both.nii", bytes);
  const std::array<std::int64_t, 2> which{1, 0};
  const std::vector<NiftiImage> read = read_nifti_volumes(path, which, 2);
  for (const NiftiImage& image : read) { require_sound(image.image.geometry, image.image.values.size()); }
  const std::string second = file_with("second.nii.gz", "");
  extract_volume(path, 1, 2, second);
  const std::array<StackedVolume, 2> volumes{StackedVolume{path, 1, 2}, StackedVolume{second, 0, 1}};
  const std::string stacked = file_with("stacked.nii.gz", "");
  stack_volumes(volumes, stacked);
  for (const NiftiImage& image : read_nifti_volumes(stacked, which, 2)) {
    require(same_values(image.image.values, read.front().image.values), "another volume when stacked");
  }
  copy_nifti(second, stacked);
}

std::string_view small_volume() {
  static const std::string file = [] {
    NiftiImage image;
    image.image.geometry.size = {2, 3, 2};
    image.image.geometry.affine = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0};
    image.image.values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    const std::string path = file_with("small.nii", "");
    write_nifti(path, image.image);
    return read_file(path);
  }();
  return file;
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
