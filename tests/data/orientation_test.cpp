#include "data/nifti/orientation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "data/nifti/nifti.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/nifti_file.h"

namespace vox::test {
namespace {

/// The affine of a volume whose indices grow to the letters, with edges of 2, 3 and 4 mm along i, j, k.
Affine affine_of(const std::string& letters) {
  Affine a{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::size_t positive = std::string("RAS").find(letters[axis]);
    const std::size_t row = positive != std::string::npos ? positive : std::string("LPI").find(letters[axis]);
    a[row * 4 + axis] = (positive != std::string::npos ? 1.0 : -1.0) * static_cast<double>(axis + 2);
    a[row * 4 + 3] = 10.0 * static_cast<double>(row + 1);
  }
  return a;
}

std::vector<std::string> all_orders() {
  std::vector<std::string> orders;
  std::string axes = "ijk";
  do {
    for (int flips = 0; flips < 8; ++flips) {
      std::string letters;
      for (const char axis : axes) {
        const auto a = static_cast<std::size_t>(axis - 'i');
        letters += (((flips >> a) & 1) != 0 ? "RAI" : "LPS")[a];
      }
      orders.push_back(letters);
    }
  } while (std::next_permutation(axes.begin(), axes.end()));
  return orders;
}

std::array<double, 3> point(const Affine& a, const std::array<double, 3>& ijk) {
  std::array<double, 3> p{};
  for (std::size_t row = 0; row < 3; ++row) {
    p[row] = a[row * 4] * ijk[0] + a[row * 4 + 1] * ijk[1] + a[row * 4 + 2] * ijk[2] + a[row * 4 + 3];
  }
  return p;
}

}  // namespace

TEST_CASE("Each of the 48 orders becomes L, P, S and every voxel keeps its place in mm", "[orientation]") {
  const auto orders = all_orders();
  REQUIRE(orders.size() == 48);
  const Extents stored{4, 3, 2};
  for (const auto& letters : orders) {
    CAPTURE(letters);
    const Affine a = affine_of(letters);
    const auto map = canonical_axes(a);
    REQUIRE(map);
    CHECK(orientation_name(*map) == letters);
    CHECK(map->is_identity() == (letters == "LPS"));
    const Extents size = canonical_extents(*map, stored);
    const Affine c = canonical_affine(*map, a, stored);
    CHECK(orientation_name(canonical_axes(c).value()) == "LPS");
    std::vector<int> seen(24);
    for_each_voxel(*map, stored, [&](std::int64_t to, std::int64_t from) {
      ++seen[static_cast<std::size_t>(from)];
      const std::array<double, 3> there{static_cast<double>(to % size[0]), static_cast<double>(to / size[0] % size[1]),
                                        static_cast<double>(to / size[0] / size[1])};
      const std::array<double, 3> here{static_cast<double>(from % 4), static_cast<double>(from / 4 % 3),
                                       static_cast<double>(from / 12)};
      CHECK(point(c, there) == point(a, here));  // small integers: exact
    });
    CHECK(seen == std::vector<int>(24, 1));
  }
}

TEST_CASE("Each of the 48 orders is written back as it was stored", "[orientation]") {
  const TempFolder folder;
  std::vector<std::int16_t> values(24);
  std::iota(values.begin(), values.end(), std::int16_t{100});
  std::vector<float> canonical;
  for (const auto& letters : all_orders()) {
    CAPTURE(letters);
    auto file = nifti_file<nifti_1_header, std::int16_t>({4, 3, 2}, values);
    const Affine a = affine_of(letters);
    for (std::size_t i = 0; i < 4; ++i) {
      file.header.srow_x[i] = static_cast<float>(a[i]);
      file.header.srow_y[i] = static_cast<float>(a[4 + i]);
      file.header.srow_z[i] = static_cast<float>(a[8 + i]);
    }
    file.header.descrip[0] = 'd';
    write_bytes(folder / "a.nii", file.bytes());
    const NiftiImage got = read_nifti(folder / "a.nii");
    CHECK(got.orientation == letters);
    write_nifti(folder / "b.nii", got.image, *got.header);

    auto want = nifti_file<nifti_1_header, float>({4, 3, 2}, std::vector<float>(values.begin(), values.end()));
    const auto type = want.header.datatype;
    want.header = file.header;
    want.header.datatype = type;
    want.header.bitpix = 32;
    want.header.scl_slope = 1;
    CHECK(read_bytes(folder / "b.nii") == want.bytes());
  }
}

TEST_CASE("An oblique volume takes the nearest order", "[orientation]") {
  const double c = std::cos(0.5), s = std::sin(0.5);  // 29 degrees about the superior axis
  const auto map = canonical_axes({-c, s, 0, 5, -s, -c, 0, 6, 0, 0, 2, 7});
  REQUIRE(map);
  CHECK(orientation_name(*map) == "LPS");
  const double c2 = std::cos(1.1), s2 = std::sin(1.1);  // 63 degrees: now i is nearer to posterior
  CHECK(orientation_name(canonical_axes({-c2, s2, 0, 5, -s2, -c2, 0, 6, 0, 0, 2, 7}).value()) == "PRS");
}

TEST_CASE("An affine that cannot be inverted gives no order", "[orientation]") {
  CHECK_FALSE(canonical_axes({}));
  CHECK_FALSE(canonical_axes({1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}));
  CHECK_FALSE(canonical_axes({1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0}));
  CHECK_FALSE(canonical_axes({1, 0, 0, NAN, 0, 1, 0, 0, 0, 0, 1, 0}));
  CHECK_FALSE(canonical_axes({1.5e308, 0, 0, 0, 1.5e308, 1, 0, 0, 1.5e308, 0, 1, 0}));  // its length overflows
  CHECK(canonical_axes({1e-3, 0, 0, 0, 0, 1e3, 0, 0, 0, 0, 1, 0}));
}

}  // namespace vox::test
