#include <fmt/core.h>

#include <cstring>
#include <filesystem>

#include "data/cases/dataset.h"
#include "data/nifti/nifti.h"
#include "kernels/base/philox.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/gzip.h"
#include "tests/support/nifti_file.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

std::string small_file() {
  std::vector<std::int16_t> values(5 * 4 * 3);
  for (std::size_t i = 0; i < values.size(); ++i) { values[i] = static_cast<std::int16_t>(i * 37); }
  return nifti_file<nifti_1_header, std::int16_t>({5, 4, 3}, values).bytes();
}

/// Reads in all three ways: each gives a volume whose size is its geometry's, or a DataError that names the file.
bool is_read(const fs::path& path) {
  bool read = false;
  const auto attempt = [&](const auto& body) {
    try {
      body();
      read = true;
    } catch (const DataError& e) { CHECK_THAT(e.what(), ContainsSubstring(path.filename().string())); }
  };
  attempt([&] { static_cast<void>(read_nifti_geometry(path)); });
  attempt([&] { static_cast<void>(read_nifti_labels(path)); });
  read = false;
  attempt([&] {
    const NiftiImage got = read_nifti(path);
    CHECK(std::ssize(got.image.values) == got.image.geometry.voxels());
  });
  return read;
}

/// One of the smaller real images, for what only shows on a large file.
std::optional<std::string> real_image() {
  const auto folder = real_data("brats");
  if (!folder) { return {}; }
  return read_bytes(*folder / "Brats18_TCIA03_265_1" / "Brats18_TCIA03_265_1_t1.nii.gz");
}

}  // namespace

TEST_CASE("A file cut anywhere is refused, plain or gzipped", "[bad_input]") {
  const TempFolder folder;
  const fs::path path = folder / "cut.nii";
  for (const std::string& whole : {small_file(), gzipped(small_file())}) {
    for (std::size_t n = 0; n < whole.size(); ++n) {
      CAPTURE(n);
      write_bytes(path, whole.substr(0, n));
      CHECK_FALSE(is_read(path));
    }
    write_bytes(path, whole);
    CHECK(is_read(path));
  }
}

TEST_CASE("A damaged gzip file is refused wherever its content changes", "[bad_input]") {
  const TempFolder folder;
  const fs::path path = folder / "damaged.nii.gz";
  const std::string whole = gzipped(small_file());
  write_bytes(path, whole);
  const auto want = read_nifti(path).image.values;
  int read = 0;
  constexpr std::size_t kHeader = 10;  // times and flags, which nothing checks
  for (std::size_t at = kHeader; at < whole.size(); ++at) {
    CAPTURE(at);
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    write_bytes(path, bytes);
    if (is_read(path)) {  // a run of zeros copied from another place is the same run
      ++read;
      CHECK(read_nifti(path).image.values == want);
    }
  }
  CHECK(read <= 4);
  write_bytes(path, whole + "garbage");
  CHECK_FALSE(is_read(path));
}

TEST_CASE("Any byte of a header may be wrong", "[bad_input]") {
  const TempFolder folder;
  const fs::path path = folder / "wrong.nii";
  const std::string whole = small_file();
  for (std::uint64_t trial = 0; trial < 4000; ++trial) {
    const Philox4 random = random4({.seed = 7}, trial);
    std::string bytes = whole;
    for (std::uint32_t i = 0; i <= random.v[0] % 3; ++i) {
      bytes[random.v[1 + i] % 352] = static_cast<char>(random.v[3] >> (8 * i));
    }
    write_bytes(path, bytes);
    is_read(path);
  }
  SUCCEED("no crash, no error of another type");
}

TEST_CASE("A header that promises terabytes reserves nothing", "[bad_input]") {
  const TempFolder folder;
  auto file = nifti_file<nifti_1_header, std::int16_t>({1, 1, 1}, {1});
  for (std::size_t axis = 1; axis <= 3; ++axis) { file.header.dim[axis] = 8000; }
  write_bytes(folder / "huge.nii", file.bytes());
  CHECK_THROWS_WITH(read_nifti(folder / "huge.nii"), ContainsSubstring("too short"));
  write_bytes(folder / "huge.nii.gz", gzipped(file.bytes()));
  CHECK_THROWS_WITH(read_nifti(folder / "huge.nii.gz"), ContainsSubstring("too short"));

  auto second = nifti_file<nifti_2_header, double>({1, 1, 1}, {1});
  for (std::size_t axis = 1; axis <= 3; ++axis) { second.header.dim[axis] = std::int64_t{1} << 62U; }
  write_bytes(folder / "huge.nii", second.bytes());
  CHECK_THROWS_AS(read_nifti(folder / "huge.nii"), DataError);

  auto bomb = nifti_file<nifti_1_header, std::int16_t>({1, 1, 1}, {1});
  write_bytes(folder / "bomb.nii.gz", gzipped(bomb.bytes() + std::string(1U << 20U, '\0')));
  CHECK_THROWS_WITH(read_nifti(folder / "bomb.nii.gz"), ContainsSubstring("goes on"));
}

TEST_CASE("What is not a NIfTI file is named for what it is", "[bad_input]") {
  const TempFolder folder;
  const auto message = [&](const std::string& bytes) {
    write_bytes(folder / "a.nii.gz", bytes);
    try {
      static_cast<void>(read_nifti(folder / "a.nii.gz"));
    } catch (const DataError& e) { return std::string(e.what()); }
    return std::string();
  };
  CHECK_THAT(message(""), ContainsSubstring("empty"));
  CHECK_THAT(message("hello, this is not a scan\n"), ContainsSubstring("text"));
  CHECK_THAT(message(gzipped("hello, this is not a scan\n")), ContainsSubstring("text"));
  CHECK_THAT(message("NRRD0004\n# comment"), ContainsSubstring("NRRD"));
  CHECK_THAT(message(gzipped(gzipped(small_file()))), ContainsSubstring("gzip in gzip"));
  CHECK_THAT(message(std::string("\0\0\0\1\0\0\0\3", 8)), ContainsSubstring("MGZ"));
  CHECK_THAT(message(std::string(128, '\0') + "DICM" + std::string(400, '\1')), ContainsSubstring("DICOM"));
  std::string analyze = small_file();
  analyze[344] = 0;
  CHECK_THAT(message(analyze), ContainsSubstring("ANALYZE"));
}

TEST_CASE("What cannot be opened is refused", "[bad_input]") {
  const TempFolder folder;
  CHECK_THROWS_WITH(read_nifti(folder / "gone.nii"), ContainsSubstring("is not there"));
  fs::create_directories(folder / "a_folder.nii.gz");
  CHECK_THROWS_WITH(read_nifti(folder / "a_folder.nii.gz"), ContainsSubstring("a folder"));
  fs::create_symlink(folder / "gone.nii", folder / "link.nii");
  CHECK_THROWS_AS(read_nifti(folder / "link.nii"), DataError);
  auto pair = nifti_file<nifti_1_header, std::int16_t>({1, 1, 1}, {1});
  std::memcpy(pair.header.magic, "ni1\0", 4);
  write_bytes(folder / "pair.hdr", pair.bytes().substr(0, 348));
  CHECK_THROWS_WITH(read_nifti(folder / "pair.hdr"), ContainsSubstring("pair.img"));
  write_bytes(folder / "pair.nii", pair.bytes().substr(0, 348));
  CHECK_THROWS_WITH(read_nifti(folder / "pair.nii"), ContainsSubstring("not called .hdr"));
}

TEST_CASE("A real image that was cut or damaged is refused, and renamed it is read", "[bad_input][real]") {
  const auto whole = real_image();
  if (!whole) { return; }
  const TempFolder folder;
  const fs::path path = folder / "real.nii.gz";
  for (const double part : {0.0, 0.001, 0.3, 0.999}) {
    write_bytes(path, whole->substr(0, static_cast<std::size_t>(part * static_cast<double>(whole->size()))));
    CHECK_FALSE(is_read(path));
  }
  for (const std::size_t missing : {1U, 4U, 8U, 9U}) {  // inside and before the check sum
    write_bytes(path, whole->substr(0, whole->size() - missing));
    CHECK_FALSE(is_read(path));
  }
  std::string flipped = *whole;
  flipped[flipped.size() / 2] = static_cast<char>(~flipped[flipped.size() / 2]);
  write_bytes(path, flipped);
  CHECK_FALSE(is_read(path));
  write_bytes(folder / "renamed.nii", *whole);
  CHECK(is_read(folder / "renamed.nii"));
}

}  // namespace vox::test
