#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "data/nifti/nifti.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tools/ui/overlay_picture.h"

namespace vox::test {
namespace {

Geometry grid(std::array<std::int64_t, 3> size, std::array<double, 3> spacing_mm) {
  return {.size = size,
          .spacing_mm = spacing_mm,
          .affine = {-spacing_mm[2], 0, 0, 0, 0, -spacing_mm[1], 0, 0, 0, 0, spacing_mm[0], 0}};
}

template <class V> V filled(const Geometry& g, int value) {
  V v{.geometry = g, .values = {}};
  v.values.assign(static_cast<std::size_t>(g.voxels()), static_cast<typename decltype(v.values)::value_type>(value));
  return v;
}

/// RAS+ position in mm of a pixel of a plane.
std::array<double, 3> place_mm(const Geometry& g, const Plane& p, std::int64_t x, std::int64_t y) {
  std::array<double, 3> place{};
  for (std::size_t row = 0; row < 3; ++row) {
    place[row] = g.affine[row * 4 + 3];
    for (std::size_t k = 0; k < 3; ++k) {  // affine columns are i, j, k: W, H, D
      const std::size_t axis = 2 - k;
      place[row] += g.affine[row * 4 + k] * static_cast<double>(p.origin[axis] + x * p.right[axis] + y * p.down[axis]);
    }
  }
  return place;
}

std::uint32_t big_endian(const std::string& bytes, std::size_t at) {
  std::uint32_t v = 0;
  for (std::size_t i = 0; i < 4; ++i) { v = v << 8U | static_cast<unsigned char>(bytes[at + i]); }
  return v;
}

}  // namespace

TEST_CASE("the planes show the patient upright and from the front, right at the left of the page", "[overlay]") {
  const Geometry g = grid({5, 7, 9}, {3, 2, 1});
  const Extent all{.low = {0, 0, 0}, .high = {5, 7, 9}};
  const Slices at{1, 2, 3};
  struct Row {
    View view;
    std::size_t across;     // of RAS: what changes to the right
    std::size_t downwards;  // and down, always against the axis
    std::array<double, 2> pixel_mm;
    std::array<std::int64_t, 2> size;
  };
  for (const Row& row : {Row{View::axial, 0, 1, {1, 2}, {9, 7}}, Row{View::coronal, 0, 2, {1, 3}, {9, 5}},
                         Row{View::sagittal, 1, 2, {2, 3}, {7, 5}}}) {
    const Plane p = plane_of(g, row.view, at, all);
    CHECK(p.width == row.size[0]);
    CHECK(p.height == row.size[1]);
    CHECK(p.pixel_width_mm == row.pixel_mm[0]);
    CHECK(p.pixel_height_mm == row.pixel_mm[1]);
    const auto corner = place_mm(g, p, 0, 0);
    const auto right = place_mm(g, p, 1, 0);
    const auto below = place_mm(g, p, 0, 1);
    for (std::size_t k = 0; k < 3; ++k) {
      // R to L, A to P and S to I all run against RAS.
      CHECK(right[k] - corner[k] == (k == row.across ? -row.pixel_mm[0] : 0));
      CHECK(below[k] - corner[k] == (k == row.downwards ? -row.pixel_mm[1] : 0));
    }
    const std::size_t through = static_cast<std::size_t>(row.view);
    CHECK(p.origin[through] == at[through]);
    for (std::size_t k = 0; k < 3; ++k) {
      const std::int64_t last = p.origin[k] + (p.width - 1) * p.right[k] + (p.height - 1) * p.down[k];
      CHECK((last >= 0 && last < g.size[k]));
      CHECK((p.origin[k] >= 0 && p.origin[k] < g.size[k]));
    }
  }
}

TEST_CASE("the slices are those with most tumour, or the middle ones", "[overlay]") {
  LabelMap m = filled<LabelMap>(grid({5, 6, 7}, {1, 1, 1}), 0);
  CHECK_FALSE(has_tumour(m));
  CHECK(slices_with_most(m) == Slices{2, 3, 3});
  for (const auto& [d, h, w] : {Slices{0, 1, 2}, Slices{4, 1, 5}, Slices{4, 5, 5}, Slices{3, 5, 5}}) {
    m.values[static_cast<std::size_t>(m.index(d, h, w))] = 2;
  }
  CHECK(has_tumour(m));
  CHECK(slices_with_most(m) == Slices{4, 1, 5});  // h: two each at 1 and 5, the first
}

TEST_CASE("the extent holds what is not zero, the slices and a margin", "[overlay]") {
  const Geometry g = grid({100, 100, 100}, {1, 2, 4});
  Image image = filled<Image>(g, 0);
  const LabelMap none = filled<LabelMap>(g, 0);
  LabelMap truth = none;
  image.values[static_cast<std::size_t>(image.index(50, 50, 50))] = 1;
  truth.values[static_cast<std::size_t>(image.index(60, 50, 2))] = 1;
  const Extent e = extent_of(image, none, &truth, {50, 95, 50});
  CHECK(e.low == std::array<std::int64_t, 3>{38, 44, 0});
  CHECK(e.high == std::array<std::int64_t, 3>{73, 100, 54});
  CHECK(extent_of(image, none, nullptr, {50, 50, 50}).low[2] == 47);
}

TEST_CASE("the grey window leaves out the background and the extremes", "[overlay]") {
  Image image = filled<Image>(grid({1, 1, 301}, {1, 1, 1}), 0);
  for (std::size_t i = 0; i <= 100; ++i) { image.values[i] = static_cast<float>(i + 1); }
  image.values[100] = 1e6F;
  const Window w = window_of(image);
  CHECK(w.black == 2);
  CHECK(w.white == 100);
  CHECK(window_of(filled<Image>(grid({1, 1, 4}, {1, 1, 1}), 0)).white == 1);
}

TEST_CASE("an overlay is a PNG that grows with the truth beside it, and is whole or absent", "[overlay]") {
  const TempFolder folder;
  const Geometry g = grid({6, 7, 8}, {1, 1, 1});
  const Image image = filled<Image>(g, 3);
  const LabelMap prediction = filled<LabelMap>(g, 3);
  const LabelMap nothing = filled<LabelMap>(g, 0);
  std::uint32_t narrow = 0;
  for (const LabelMap* truth : {static_cast<const LabelMap*>(nullptr), &nothing}) {
    draw_overlay(folder / "o.png", {.title = "t",
                                    .modality = "flair",
                                    .image = &image,
                                    .prediction = &prediction,
                                    .truth = truth,
                                    .slices = {0, 6, 7}});
    const std::string png = read_bytes(folder / "o.png");
    REQUIRE(png.size() > 1000);
    CHECK(png.substr(1, 3) == "PNG");
    CHECK(png.substr(png.size() - 8, 4) == "IEND");
    CHECK(big_endian(png, 16) > narrow);
    narrow = big_endian(png, 16);
  }
  const Overlay overlay{
      .title = "t", .modality = "flair", .image = &image, .prediction = &prediction, .truth = nullptr, .slices = {}};
  CHECK_THROWS_AS(draw_overlay(folder / "absent" / "o.png", overlay), OutputError);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator()) == 1);
}

TEST_CASE("a case whose name is no UTF-8 has a picture, with the name escaped", "[overlay]") {
  const TempFolder folder;
  const Geometry g = grid({6, 7, 8}, {1, 1, 1});
  const Image image = filled<Image>(g, 3);
  const LabelMap prediction = filled<LabelMap>(g, 3);
  const auto picture = [&](const std::string& title) {
    draw_overlay(folder / "o.png", {.title = title,
                                    .modality = title,
                                    .image = &image,
                                    .prediction = &prediction,
                                    .truth = nullptr,
                                    .slices = {0, 6, 7}});
    return read_bytes(folder / "o.png");
  };
  CHECK(picture("M\xFCller") == picture("M\\xfcller"));
  CHECK(picture("M\xFCller") != picture(""));
}

TEST_CASE("where no font is installed an overlay is drawn with plain letters, and says so", "[overlay][cli]") {
  const TempFolder folder;
  write_nifti(folder / "labels.nii.gz", filled<LabelMap>(grid({6, 7, 8}, {1, 1, 1}), 2));
  write_bytes(folder / "no_fonts.conf", "<?xml version=\"1.0\"?><fontconfig></fontconfig>");
  const std::string labels = (folder / "labels.nii.gz").string();
  const auto drawn = [&](const std::string& name) {
    const std::string png = (folder / name).string();
    const Ended e = voxgrad("overlay -i " + labels + " -s " + labels + " -o " + png);
    CHECK(e.code == 0);
    CHECK(read_bytes(png).size() > 1000);
    return e.output;
  };
  CHECK(setenv("FONTCONFIG_FILE", (folder / "no_fonts.conf").c_str(), 1) == 0);
  CHECK_THAT(drawn("plain.png"), ContainsSubstring("plain.png: no font is installed"));
  CHECK(unsetenv("FONTCONFIG_FILE") == 0);
  if (drawn("usual.png").find("no font is installed") != std::string::npos) {
    WARN("skipped: no font is installed here");
    return;
  }
  CHECK(read_bytes(folder / "plain.png") != read_bytes(folder / "usual.png"));
}

TEST_CASE("a montage shows the cases of two folders, worst first, with their Dice", "[overlay][cli]") {
  const TempFolder folder;
  const Geometry g = grid({8, 12, 10}, {1, 1, 1});
  const auto with_cube = [&](std::int64_t edge, int label) {  // a cube of one label in the corner
    auto labels = filled<LabelMap>(g, 0);
    for (std::int64_t d = 0; d < edge; ++d) {
      for (std::int64_t h = 0; h < edge; ++h) {
        for (std::int64_t w = 0; w < edge; ++w) {
          labels.values[static_cast<std::size_t>((d * 12 + h) * 10 + w)] = static_cast<std::uint8_t>(label);
        }
      }
    }
    return labels;
  };
  std::filesystem::create_directories(folder / "out");
  for (const char* const id : {"a", "b", "c"}) {
    const std::filesystem::path one = folder / "cases" / id;
    std::filesystem::create_directories(one);
    auto image = filled<Image>(g, 1);
    image.values[7] = 5;
    write_nifti(one / (std::string(id) + "_flair.nii.gz"), image);
    write_nifti(one / (std::string(id) + "_seg.nii.gz"), with_cube(4, 4));
  }
  // Of enhancing tumour: all of it, none, and an eighth: 2 * 8 / (64 + 8).
  write_nifti(folder / "out" / "a.nii.gz", with_cube(4, 4));
  write_nifti(folder / "out" / "b.nii.gz", with_cube(0, 4));
  write_nifti(folder / "out" / "c.nii.gz", with_cube(2, 4));
  const auto montage = [&](const std::string& more) {
    return voxgrad("overlay --montage -i " + (folder / "cases").string() + " -s " + (folder / "out").string() + " -o " +
                   (folder / "m.png").string() + " --labels brats2020 " + more);
  };
  Ended e = montage("");
  INFO(e.output);
  REQUIRE(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("3 of 3 cases, worst first\n  b  Dice WT 0.000 TC 0.000 ET 0.000\n"
                                         "  c  Dice WT 0.222 TC 0.222 ET 0.222\n  a  Dice WT 1.000 TC 1.000 ET 1.000"));
  const std::string three = read_bytes(folder / "m.png");
  const std::uint32_t width = big_endian(three, 16);
  const std::uint32_t height = big_endian(three, 20);
  e = montage("--most 2 --columns 1 --order name");
  REQUIRE(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("2 of 3 cases, by name") && !ContainsSubstring("Dice"));
  const std::string two = read_bytes(folder / "m.png");
  CHECK(big_endian(two, 16) < width / 2);
  CHECK(big_endian(two, 20) > height);

  CHECK(montage("--slice 1,2,3").code == 2);
  CHECK(montage("--columns 0").code == 2);
  CHECK(montage("--modality t1").code == 3);
  std::filesystem::remove_all(folder / "out");
  CHECK(montage("").code == 3);
  std::filesystem::create_directories(folder / "out");
  write_nifti(folder / "out" / "other.nii.gz", with_cube(2, 4));
  e = montage("");
  CHECK(e.code == 3);
  CHECK_THAT(e.output, ContainsSubstring("has no label file of a case of"));
}

}  // namespace vox::test
