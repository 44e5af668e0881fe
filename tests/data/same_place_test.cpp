#include "data/check/same_place.h"

#include "data/check/check.h"
#include "data/nifti/nifti.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/nifti_file.h"

namespace vox::test {
namespace {

Geometry grid_of(double edge_mm, double shift_mm) {
  return {{20, 30, 40}, {edge_mm, edge_mm, edge_mm}, {-edge_mm, 0, 0, shift_mm, 0, -edge_mm, 0, 0, 0, 0, edge_mm, 0}};
}

/// Random voxels, LPS, 1 mm, with the header changed by hand.
template <class Edit> void write_image(const std::filesystem::path& file, std::int16_t seed, const Edit& edit) {
  std::vector<std::int16_t> values(16 * 16 * 16);
  for (std::size_t v = 0; v < 500; ++v) {
    values[v] = static_cast<std::int16_t>(static_cast<int>(1 + (v * 7919U + 31) % 977) + seed);
  }
  auto f = nifti_file<nifti_1_header, std::int16_t>({16, 16, 16}, values);
  f.header.xyzt_units = NIFTI_UNITS_MM;
  edit(f.header);
  write_bytes(file, f.bytes());
}

void scale(nifti_1_header& h, float factor) {
  for (float* const row : {h.srow_x, h.srow_y, h.srow_z}) {
    for (std::size_t i = 0; i < 4; ++i) { row[i] *= factor; }
  }
}

std::vector<std::string> codes_in(const TempFolder& folder) {
  std::vector<std::string> codes;
  for (const Finding& f : check_case(find_cases(folder.path()).at(0)).findings) {
    codes.emplace_back(code_of(f.check).code);
  }
  return codes;
}

}  // namespace

TEST_CASE("the same place is within 0.1 mm, and within a quarter of a small voxel", "[place]") {
  CHECK(same_place(grid_of(1, 0), grid_of(1, 0.1)));
  CHECK_FALSE(same_place(grid_of(1, 0), grid_of(1, 0.11)));
  CHECK(same_place(grid_of(0.2, 0), grid_of(0.2, 0.05)));
  CHECK_FALSE(same_place(grid_of(0.2, 0), grid_of(0.2, 0.06)));
  Geometry other = grid_of(1, 0);
  other.size = {20, 40, 30};
  CHECK_FALSE(same_place(grid_of(1, 0), other));
  CHECK_THROWS_WITH(check_same_place("a.nii", grid_of(1, 0), "b.nii", other),
                    ContainsSubstring("a.nii") && ContainsSubstring("b.nii") && ContainsSubstring("20x40x30"));
  CHECK_THROWS_AS(check_same_place("a", grid_of(1, 0), "b", grid_of(1, 3)), DataError);
  CHECK_NOTHROW(check_same_place("a", grid_of(1, 0), "b", grid_of(1, 0)));
}

TEST_CASE("lengths are read in mm from metre, mm and micron, and a reserved unit is refused by name",
          "[place][nifti]") {
  const TempFolder folder;
  const auto file = folder / "a.nii";
  const auto read = [&](int units, float per_mm) {
    write_image(file, 0, [&](nifti_1_header& h) {
      scale(h, per_mm);
      h.xyzt_units = static_cast<char>(units);
    });
    return read_nifti(file);
  };
  for (const auto& [units, per_mm, unit] : {std::tuple{2, 1.0F, LengthUnit::mm},
                                            {1, 0.001F, LengthUnit::metre},
                                            {3, 1000.0F, LengthUnit::micron},
                                            {0, 1.0F, LengthUnit::unknown},
                                            {3 | 8, 1000.0F, LengthUnit::micron},
                                            {16, 1.0F, LengthUnit::unknown}}) {
    CAPTURE(units);
    const NiftiImage image = read(units, per_mm);
    CHECK(image.unit == unit);
    for (const double edge : image.image.geometry.spacing_mm) { CHECK(edge == Approx(1).epsilon(1e-6)); }
    CHECK(image.image.geometry.affine[7] == Approx(15).epsilon(1e-6));
  }
  for (const int reserved : {4, 5, 6, 7, 5 | 8}) {
    CAPTURE(reserved);
    CHECK_THROWS_WITH(
        read(reserved, 1.0F),
        ContainsSubstring("a.nii") && ContainsSubstring(fmt::format("is {} (xyzt_units {})", reserved & 7, reserved)));
  }
}

TEST_CASE("qform and voxel sizes are in the unit of the file as well, and a result keeps it", "[place][nifti]") {
  const TempFolder folder;
  for (const int qform : {0, 1}) {
    write_image(folder / "a.nii", 0, [&](nifti_1_header& h) {
      h.sform_code = 0;
      h.qform_code = static_cast<short>(qform);
      h.xyzt_units = NIFTI_UNITS_MICRON;
      for (std::size_t axis = 1; axis <= 3; ++axis) { h.pixdim[axis] = 2000; }
    });
    CHECK(read_nifti(folder / "a.nii").image.geometry.spacing_mm == std::array<double, 3>{2, 2, 2});
  }
  const NiftiImage image = read_nifti(folder / "a.nii");
  LabelMap map{image.image.geometry, LargeVector<std::uint8_t>(16 * 16 * 16)};
  write_nifti(folder / "out.nii", map, *image.header);
  const NiftiImage again = read_nifti(folder / "out.nii");
  CHECK(again.unit == LengthUnit::micron);
  CHECK(again.image.geometry == image.image.geometry);
}

TEST_CASE("check: units are converted before places are compared, and named where they are unusual", "[place][check]") {
  const TempFolder folder;
  const auto write_all = [&](const auto& edit) {
    std::int16_t seed = 0;
    for (const Modality m : kModalities) {
      write_image(folder / fmt::format("a/a_{}.nii", name(m)), ++seed, [&](nifti_1_header& h) { edit(m, h); });
    }
  };
  write_all([](Modality m, nifti_1_header& h) {
    if (m == Modality::t2) {
      scale(h, 1000);
      h.xyzt_units = NIFTI_UNITS_MICRON;
    }
  });
  CHECK(codes_in(folder) == std::vector<std::string>{"BT-030"});
  write_all([](Modality m, nifti_1_header& h) {  // the header says micron, the numbers are mm
    if (m == Modality::t2) { h.xyzt_units = NIFTI_UNITS_MICRON; }
  });
  CHECK(codes_in(folder) == std::vector<std::string>{"BT-011", "BT-014", "BT-030"});
  write_all([](Modality, nifti_1_header& h) { h.xyzt_units = 0; });
  CHECK(codes_in(folder) == std::vector<std::string>{"BT-013", "BT-030"});
  write_all([](Modality m, nifti_1_header& h) { h.xyzt_units = m == Modality::t1 ? 6 : NIFTI_UNITS_MM; });
  CHECK(codes_in(folder) == std::vector<std::string>{"BT-007", "BT-030"});
}

}  // namespace vox::test
