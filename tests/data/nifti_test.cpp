#include "data/nifti/nifti.h"

#include <fmt/core.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/gzip.h"
#include "tests/support/nifti_file.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;
using H1 = nifti_1_header;
using H2 = nifti_2_header;

/// The ends of the type's range, zero, and small numbers.
template <class T> std::vector<T> interesting_values() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> v{Limits::lowest(), Limits::max(), T{0}, T{1}, T{2}, T{100}};
  if (std::is_same_v<T, double>) { v[0] = v[1] = static_cast<T>(1.0 / 3.0); }  // the range of double is not float's
  return v;
}

template <class Header, class T> void check_type(bool big_endian) {
  const auto values = interesting_values<T>();
  auto file = nifti_file<Header, T>({3, 1, 2}, values);
  file.big_endian = big_endian;
  const TempFolder folder;
  write_bytes(folder / "a.nii", file.bytes());
  const NiftiImage got = read_nifti(folder / "a.nii");
  CHECK(got.image.geometry.size == std::array<std::int64_t, 3>{2, 1, 3});
  CHECK(got.values_finite);
  REQUIRE(got.image.values.size() == values.size());
  for (std::size_t i = 0; i < values.size(); ++i) { CHECK(got.image.values[i] == static_cast<float>(values[i])); }

  file.header.scl_slope = 2.5F;
  file.header.scl_inter = -1.25F;
  write_bytes(folder / "b.nii.gz", gzipped(file.bytes()));
  const NiftiImage scaled = read_nifti(folder / "b.nii.gz");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double want = 2.5 * static_cast<double>(values[i]) - 1.25;
    if (std::abs(want) < 3e38) { CHECK(scaled.image.values[i] == static_cast<float>(want)); }
  }
}

template <class T> void check_type() {
  for (const bool big_endian : {false, true}) {
    check_type<H1, T>(big_endian);
    check_type<H2, T>(big_endian);
  }
}

float first_value(const NiftiFile<H1>& file) {
  const TempFolder folder;
  write_bytes(folder / "a.nii", file.bytes());
  return read_nifti(folder / "a.nii").image.values.front();
}

NiftiFault fault_of(const fs::path& path) {
  try {
    static_cast<void>(read_nifti(path));
  } catch (const NiftiError& e) {
    CHECK_THAT(e.what(), ContainsSubstring(path.filename().stem().string()));
    return e.fault();
  }
  FAIL(path.string() << " was accepted");
  return {};
}

NiftiFault fault_of(const std::string& bytes, const std::string& name = "case.nii") {
  const TempFolder folder;
  write_bytes(folder / name, bytes);
  return fault_of(folder / name);
}

NiftiFile<H1> small_file() { return nifti_file<H1, std::int16_t>({2, 3, 4}, std::vector<std::int16_t>(24, 7)); }

std::string without_scaling_fields(const fs::path& path) { return read_bytes(path).substr(0, 348); }

}  // namespace

TEST_CASE("Every integer and float type is read in both versions and byte orders, scaled in double", "[nifti]") {
  check_type<std::uint8_t>();
  check_type<std::int8_t>();
  check_type<std::uint16_t>();
  check_type<std::int16_t>();
  check_type<std::uint32_t>();
  check_type<std::int32_t>();
  check_type<std::uint64_t>();
  check_type<std::int64_t>();
  check_type<float>();
  check_type<double>();
}

TEST_CASE("A slope of zero or NaN means no scaling, and a NaN intercept is refused", "[nifti]") {
  auto file = small_file();
  file.header.scl_inter = 5;
  for (const float slope : {0.0F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    file.header.scl_slope = slope;
    CHECK(first_value(file) == 7);
  }
  file.header.scl_slope = 2;
  CHECK(first_value(file) == 19);
  file.header.scl_inter = std::numeric_limits<float>::quiet_NaN();
  CHECK(fault_of(file.bytes()) == NiftiFault::damaged);
}

TEST_CASE("Non-finite voxels are reported, not repaired", "[nifti]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const TempFolder folder;
  for (const float bad : {nan, infinity, -infinity}) {
    write_bytes(folder / "a.nii", nifti_file<H1, float>({1, 1, 3}, {1, bad, 2}).bytes());
    const NiftiImage got = read_nifti(folder / "a.nii");
    CHECK_FALSE(got.values_finite);
    CHECK(std::memcmp(&got.image.values[1], &bad, sizeof bad) == 0);
    CHECK_THROWS_AS(read_nifti_labels(folder / "a.nii"), NiftiError);
  }
  write_bytes(folder / "a.nii", nifti_file<H1, double>({1, 1, 2}, {1e300, 0}).bytes());
  CHECK_FALSE(read_nifti(folder / "a.nii").values_finite);  // too large for float
}

TEST_CASE("The affine comes from the sform, else the qform, else the voxel size", "[nifti]") {
  auto file = nifti_file<H1, std::uint8_t>({2, 3, 4}, std::vector<std::uint8_t>(24));
  H1& h = file.header;
  h.pixdim[0] = -1;  // the qform's left-handed flag
  h.pixdim[1] = 2;
  h.pixdim[2] = 3;
  h.pixdim[3] = 4;
  h.qform_code = 1;
  h.quatern_b = 0;
  h.quatern_c = 1;  // half a turn about y: diag(-1, 1, -1), then z flipped back by the flag
  h.qoffset_x = 10;
  h.qoffset_y = 20;
  h.qoffset_z = -0.0F;
  const TempFolder folder;
  const auto read = [&] {
    write_bytes(folder / "a.nii", file.bytes());
    return read_nifti(folder / "a.nii");
  };
  CHECK(read().affine_source == "sform");
  CHECK(read().image.geometry.spacing_mm == std::array<double, 3>{1, 1, 1});

  h.sform_code = 0;
  const NiftiImage q = read();
  CHECK(q.affine_source == "qform");
  CHECK(q.orientation == "LAS");
  CHECK(q.image.geometry.spacing_mm == std::array<double, 3>{4, 3, 2});
  CHECK(q.image.geometry.affine == std::array<double, 12>{-2, 0, 0, 10, 0, -3, 0, 26, 0, 0, 4, 0});  // j is flipped

  h.qform_code = 0;
  const NiftiImage p = read();
  CHECK(p.affine_source == "pixdim");
  CHECK(p.orientation == "RAS");
  CHECK(p.image.geometry.affine == std::array<double, 12>{-2, 0, 0, 2, 0, -3, 0, 6, 0, 0, 4, 0});
}

TEST_CASE("A geometry that places no voxel is refused", "[nifti]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto fault_with = [](const auto& change) {
    auto file = small_file();
    change(file.header);
    return fault_of(file.bytes());
  };
  CHECK(fault_with([](H1& h) { h.srow_z[2] = 0; }) == NiftiFault::bad_geometry);
  CHECK(fault_with([](H1& h) { h.srow_y[0] = -1, h.srow_x[1] = -1; }) ==
        NiftiFault::bad_geometry);  // two equal columns
  CHECK(fault_with([&](H1& h) { h.srow_x[3] = nan; }) == NiftiFault::bad_geometry);
  CHECK(fault_with([&](H1& h) { h.sform_code = 0, h.pixdim[2] = nan; }) == NiftiFault::bad_geometry);
  CHECK(fault_with([&](H1& h) { h.sform_code = 0, h.pixdim[2] = 0; }) == NiftiFault::bad_geometry);
  CHECK(fault_with([&](H1& h) { h.sform_code = 0, h.qform_code = 1, h.quatern_b = nan; }) == NiftiFault::bad_geometry);
  CHECK(fault_with([&](H1& h) { h.sform_code = 0, h.qform_code = 1, h.quatern_b = 3; }) == NiftiFault::bad_geometry);
  CHECK(fault_with([&](H1& h) { h.sform_code = 0, h.qform_code = 1, h.qoffset_x = nan; }) == NiftiFault::bad_geometry);
  CHECK(fault_with([](H1& h) { h.srow_x[3] = 1e16F; }) == NiftiFault::bad_geometry);
  CHECK(fault_with([](H1& h) { h.sform_code = 0, h.pixdim[2] = 1e-16F; }) == NiftiFault::bad_geometry);
}

TEST_CASE("A file that is not one real-valued 3-D volume is refused", "[nifti]") {
  const auto fault_with = [](const auto& change) {
    auto file = small_file();
    change(file.header);
    return fault_of(file.bytes());
  };
  CHECK(fault_with([](H1& h) { h.dim[0] = 4, h.dim[4] = 2; }) == NiftiFault::not_one_volume);
  CHECK(fault_with([](H1& h) { h.dim[0] = 5, h.dim[5] = 3; }) == NiftiFault::not_one_volume);
  CHECK(fault_with([](H1& h) { h.dim[0] = 2; }) == NiftiFault::not_one_volume);
  CHECK(fault_with([](H1& h) { h.dim[0] = 0; }) == NiftiFault::damaged);
  CHECK(fault_with([](H1& h) { h.dim[0] = 9; }) == NiftiFault::damaged);
  CHECK(fault_with([](H1& h) { h.dim[2] = 0; }) == NiftiFault::damaged);
  CHECK(fault_with([](H1& h) { h.dim[2] = -3; }) == NiftiFault::damaged);
  for (const int type :
       {0, 1, 32, 128, 1536, 1792, 2048, 2304, 9999}) {  // none, bits, complex, RGB, 128 bits, nonsense
    CHECK(fault_with([&](H1& h) { h.datatype = static_cast<short>(type); }) == NiftiFault::unsupported_type);
  }
  CHECK(fault_with([](H1& h) { h.vox_offset = 351.5F; }) == NiftiFault::damaged);
  CHECK(fault_with([](H1& h) { h.vox_offset = 100; }) == NiftiFault::damaged);
  CHECK(fault_with([](H1& h) { h.vox_offset = std::numeric_limits<float>::quiet_NaN(); }) == NiftiFault::damaged);
  CHECK(fault_with([](H1& h) { h.vox_offset = 4000; }) == NiftiFault::damaged);
  CHECK(fault_with([](H1& h) { h.magic[0] = 'x'; }) == NiftiFault::not_nifti);

  auto file = small_file();
  file.header.dim[0] = 5;  // trailing axes of extent 1 are no axes
  CHECK(first_value(file) == 7);
}

TEST_CASE("Labels are rounded near an integer and refused elsewhere, naming the voxel", "[nifti]") {
  const TempFolder folder;
  const auto read = [&](const std::vector<double>& values) {
    write_bytes(folder / "a.nii", nifti_file<H1, double>({static_cast<int>(values.size()), 1, 1}, values).bytes());
    return read_nifti_labels(folder / "a.nii").labels.values;
  };
  CHECK(read({0, 3.9995, 4.0005, 255, -0.0004}) == LargeVector<std::uint8_t>{0, 4, 4, 255, 0});
  CHECK_THROWS_WITH(read({0, 0.5}), ContainsSubstring("voxel (1, 0, 0) holds 0.5"));
  CHECK_THROWS_AS(read({0, 3.998}), NiftiError);
  CHECK_THROWS_AS(read({-1}), NiftiError);
  CHECK_THROWS_AS(read({256}), NiftiError);
}

TEST_CASE("A written file is found again, voxel for voxel, with the header it was made like", "[nifti]") {
  auto file = small_file();
  H1& h = file.header;
  std::strcpy(h.descrip, "a scan");
  std::strcpy(h.aux_file, "other.txt");
  h.qform_code = 2;
  h.quatern_c = 0.5F;
  h.qoffset_x = -0.0F;
  h.sform_code = 3;
  h.srow_x[1] = 0.25F;
  h.xyzt_units = 10;
  h.slice_code = 1;
  h.toffset = 1.5F;
  h.cal_max = 900;
  h.scl_slope = 3;
  const TempFolder folder;
  write_bytes(folder / "in.nii", file.bytes());
  const NiftiImage in = read_nifti(folder / "in.nii");
  LabelMap labels{in.image.geometry, LargeVector<std::uint8_t>(24)};
  std::iota(labels.values.begin(), labels.values.end(), std::uint8_t{0});
  write_nifti(folder / "out.nii", labels, *in.header);

  H1 want = h;
  want.datatype = 2;
  want.bitpix = 8;
  want.scl_slope = 1;
  want.cal_max = 0;
  CHECK(without_scaling_fields(folder / "out.nii") == std::string(reinterpret_cast<const char*>(&want), sizeof want));
  const NiftiLabels again = read_nifti_labels(folder / "out.nii");
  CHECK(again.labels.values == labels.values);
  CHECK(again.labels.geometry == in.image.geometry);

  write_nifti(folder / "out.nii.gz", in.image, *in.header);
  CHECK(read_nifti(folder / "out.nii.gz").image.values == in.image.values);
  write_nifti(folder / "twice.nii.gz", in.image, *in.header);
  CHECK(read_bytes(folder / "out.nii.gz") == read_bytes(folder / "twice.nii.gz"));
}

TEST_CASE("A volume that came from no file keeps its geometry, minus zero included", "[nifti]") {
  Image image;
  image.geometry = {{4, 3, 2}, {1, 1, 1}, {-1, 0, 0, -0.0, 0, -1, 0, 239, 0, 0, 1, 0}};
  image.values = LargeVector<float>(24, 1.5F);
  const TempFolder folder;
  write_nifti(folder / "a.nii.gz", image);
  const NiftiImage got = read_nifti(folder / "a.nii.gz");
  CHECK(got.image.geometry == image.geometry);
  CHECK(std::signbit(got.image.geometry.affine[3]));
  CHECK(got.orientation == "LPS");
  CHECK(got.image.values == image.values);

  image.values[3] = -2.5F;
  write_nifti_int16(folder / "b.nii", image);
  CHECK(read_nifti(folder / "b.nii").image.values[3] == -2);
  CHECK(read_nifti(folder / "b.nii").datatype == "int16");
  image.values[3] = 40000;
  CHECK_THROWS_AS(write_nifti_int16(folder / "c.nii", image), Error);

  Image sheared = image;  // no rotation and voxel size describe it: the sform alone does
  sheared.geometry.affine[1] = 0.5;
  write_nifti(folder / "d.nii", sheared);
  CHECK(read_nifti(folder / "d.nii").image.geometry.affine == sheared.geometry.affine);

  Image column;  // an extent that NIfTI-1 cannot count
  column.geometry = {{1, 1, 40000}, {1, 1, 1}, {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0}};
  column.values = LargeVector<float>(40000, 2);
  write_nifti(folder / "e.nii", column);
  CHECK(read_bytes(folder / "e.nii").substr(4, 3) == "n+2");
  CHECK(read_nifti(folder / "e.nii").image.values == column.values);
}

TEST_CASE("A failed write leaves nothing behind", "[nifti]") {
  const TempFolder folder;
  const Image image{{{1, 1, 2}, {1, 1, 1}, {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0}}, {1, 2}};
  CHECK_THROWS_AS(write_nifti(folder / "no/such/folder.nii", image), OutputError);
  CHECK_THROWS_AS(write_nifti(folder / "name.mgz", image), Error);
  fs::create_directories(folder / "taken.nii/inside");
  CHECK_THROWS_AS(write_nifti(folder / "taken.nii", image), OutputError);
  const Image other{{{1, 1, 3}, {1, 1, 1}, image.geometry.affine}, {1, 2, 3}};
  write_nifti(folder / "a.nii", image);
  CHECK_THROWS_AS(write_nifti(folder / "b.nii", other, *read_nifti(folder / "a.nii").header), Error);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path())) { names.push_back(entry.path().filename()); }
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"a.nii", "taken.nii"});
}

TEST_CASE("Files are read by what they hold, whatever they are called", "[nifti]") {
  const TempFolder folder;
  const std::string bytes = small_file().bytes();
  write_bytes(folder / "plain.nii.gz", bytes);
  write_bytes(folder / "zipped.nii", gzipped(bytes));
  write_bytes(folder / "two_members.nii.gz", gzipped(bytes.substr(0, 360)) + gzipped(bytes.substr(360)));
  write_bytes(folder / "padded.nii.gz", gzipped(bytes) + std::string(100, '\0'));
  auto pair = small_file();
  std::memcpy(pair.header.magic, "ni1\0", 4);
  pair.header.vox_offset = 0;
  write_bytes(folder / "pair.hdr", pair.bytes().substr(0, 348));
  write_bytes(folder / "pair.img", pair.voxels);
  write_bytes(folder / "zipped_pair.hdr", pair.bytes().substr(0, 348));
  write_bytes(folder / "zipped_pair.img.gz", gzipped(pair.voxels));
  for (const char* name : {"plain.nii.gz", "zipped.nii", "two_members.nii.gz", "padded.nii.gz", "pair.hdr", "pair.img",
                           "zipped_pair.hdr"}) {
    CAPTURE(name);
    CHECK(read_nifti(folder / name).image.values == LargeVector<float>(24, 7));
  }
}

TEST_CASE("Several files read at once give the error of the first bad one", "[nifti]") {
  const TempFolder folder;
  write_bytes(folder / "a.nii", small_file().bytes());
  const std::vector<fs::path> good(5, folder / "a.nii");
  for (const int threads : {1, 3}) {
    const auto images = read_nifti(good, threads);
    REQUIRE(images.size() == 5);
    for (const auto& image : images) { CHECK(image.image.values == LargeVector<float>(24, 7)); }
    const std::vector<fs::path> bad{folder / "a.nii", folder / "first", folder / "second"};
    CHECK_THROWS_WITH(read_nifti(bad, threads), ContainsSubstring("first"));
  }
}

TEST_CASE("The 48 stored orders of one real brain agree voxel for voxel", "[nifti][real]") {
  const auto folder = real_data("nifti/orient48");
  if (!folder) { return; }
  const NiftiImage want = read_nifti(*folder / "LPS.nii.gz");
  const TempFolder out;
  int count = 0;
  for (const auto& entry : fs::directory_iterator(*folder)) {
    const std::string name = entry.path().filename().string().substr(0, 3);
    CAPTURE(name);
    const NiftiImage got = read_nifti(entry.path());
    CHECK(got.orientation == name);
    CHECK(got.image.geometry.size == want.image.geometry.size);
    CHECK((got.image.values == want.image.values));
    for (std::size_t i = 0; i < 12; ++i) {  // float32 affines, and 78 voxels of a flipped axis add up
      const double error = std::abs(got.image.geometry.affine[i] - want.image.geometry.affine[i]);
      CHECK(error <= 80 * 0x1p-24 * 200);
    }
    write_nifti(out / "copy.nii", got.image, *got.header);
    const NiftiImage again = read_nifti(out / "copy.nii");
    CHECK((again.image.values == want.image.values));
    CHECK(again.orientation == name);
    CHECK(again.image.geometry == got.image.geometry);
    ++count;
  }
  CHECK(count == 48);
}

TEST_CASE("Every odd real file is read or refused for its reason", "[nifti][real]") {
  const auto folder = real_data("nifti");
  if (!folder) { return; }
  const std::map<std::string, NiftiFault> refused{{"4d_int16_slope_inter.nii", NiftiFault::not_one_volume},
                                                  {"5d_uint8.nii.gz", NiftiFault::not_one_volume},
                                                  {"nifti2_4d_int16_nanslope.nii.gz", NiftiFault::not_one_volume},
                                                  {"cifti2_not_volume.nii", NiftiFault::not_one_volume},
                                                  {"complex64.nii.gz", NiftiFault::unsupported_type},
                                                  {"freesurfer.mgz", NiftiFault::not_nifti},
                                                  {"hdr_only_analyze75.hdr", NiftiFault::not_nifti},
                                                  {"hdr_only_nifti1.hdr", NiftiFault::unreadable},
                                                  {"hdr_only_nifti2.hdr", NiftiFault::unreadable},
                                                  {"nibabel_invalid.nii.gz", NiftiFault::not_nifti},
                                                  {"nrrd_not_nifti.nrrd", NiftiFault::not_nifti}};
  for (const auto& entry : fs::recursive_directory_iterator(*folder)) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file() || name == "INDEX.txt") { continue; }
    CAPTURE(entry.path().string());
    const auto want = refused.find(name);
    if (want != refused.end()) {
      CHECK(fault_of(entry.path()) == want->second);
    } else {
      CHECK_NOTHROW(read_nifti(entry.path()));
    }
  }
}

}  // namespace vox::test
