#include "data/prepare/native.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "data/nifti/nifti.h"
#include "data/prepare/foreground.h"
#include "data/prepare/normalise.h"
#include "data/prepare/prepare.h"
#include "data/prepare/restore.h"
#include "data/prepare/spline.h"
#include "kernels/base/bf16.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/small_case.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

Recipe native(const std::string& spacing) {
  Recipe r = recipe_named("native");
  r.spacing_mm = spacing_named(spacing);
  return r;
}

/// The case of write_case(), with voxels of these sizes.
CaseFiles write_spaced(const fs::path& folder, const std::string& id, const Extent3& size,
                       const std::array<double, 3>& mm, std::int64_t tumour_voxels = 9) {
  const CaseFiles files = write_case(folder, id, size, tumour_voxels);
  const auto spaced = [&](Geometry g) {
    g.spacing_mm = mm;
    g.affine = {-mm[2], 0, 0, 5, 0, -mm[1], 0, 6, 0, 0, mm[0], -7};
    return g;
  };
  for (const Modality m : kModalities) {
    Image image = brain(size, static_cast<std::uint32_t>(m));
    image.geometry = spaced(image.geometry);
    fs::remove(files.image(m));
    write_nifti(files.image(m), image);
  }
  LabelMap labels = tumour(size, tumour_voxels);
  labels.geometry = spaced(labels.geometry);
  fs::remove(files.labels);
  write_nifti(files.labels, labels);
  return find_cases(folder / id).at(0);
}

LabelMap restored_labels(const PreparedCase& c) {
  LargeVector<float> p(4 * c.label.size());
  for (std::size_t i = 0; i < c.label.size(); ++i) { p[c.label[i] * c.label.size() + i] = 1; }
  return restore_labels(p, c.info.mapping, 2);
}

LargeVector<std::uint8_t> classes_of(LabelMap labels) {
  to_classes(labels.values, LabelConvention::brats2020, "seg");
  return labels.values;
}

TEST_CASE("native: a case of 1 mm is cut to its brain and keeps every voxel, and leads back to its grid", "[prepare]") {
  const TempFolder folder;
  const Extent3 size{24, 40, 32};
  const CaseFiles files = write_case(folder.path(), "a", size, 13);
  for (const char* spacing : {"1,1,1", "keep"}) {
    const PreparedCase c = prepare_case(files, native(spacing), 2);
    const PreparedCase z = prepare_case(files, recipe_named("zscore", 16), 1);
    CHECK(c.info.mapping.box == z.info.mapping.box);
    CHECK(c.info.mapping.size == c.info.mapping.box.size);
    for (std::size_t m = 0; m < 4; ++m) {
      std::array<LargeVector<float>, 4> images;
      for (std::size_t i = 0; i < 4; ++i) { images[i] = brain(size, static_cast<std::uint32_t>(i)).values; }
      const std::array<std::span<const float>, 4> views{images[0], images[1], images[2], images[3]};
      const LargeVector<std::uint8_t> mask = brain_mask(views);
      LargeVector<float> values = images[m];
      standardise(values, mask);
      const LargeVector<float> want = resize_trilinear(values, size, c.info.mapping.box, c.info.mapping.size);
      CHECK(std::equal(want.begin(), want.end(), c.image.begin() + static_cast<std::ptrdiff_t>(m * want.size())));
    }
    const LabelMap back = restored_labels(c);
    CHECK(back.geometry == grid(size));
    CHECK(back.values == classes_of(tumour(size, 13)));
  }
}

TEST_CASE("native: another spacing is resampled, images by the spline inside the brain, and leads back", "[prepare]") {
  const TempFolder folder;
  const Extent3 size{12, 20, 32};
  const CaseFiles files = write_spaced(folder.path(), "a", size, {2, 1.5, 1}, 13);
  const PreparedCase c = prepare_case(files, native("1"), 2);
  const GridMapping& m = c.info.mapping;
  REQUIRE(m.source.spacing_mm == std::array<double, 3>{2, 1.5, 1});
  CHECK(m.box == Box{{3, 5, 8}, {6, 10, 16}});
  CHECK(m.size == Extent3{12, 15, 16});
  LargeVector<std::uint8_t> mask(at(size[0] * size[1] * size[2]));
  LargeVector<float> values = brain(size, 2).values;
  std::ranges::transform(values, mask.begin(), [](float x) { return x != 0 ? std::uint8_t{1} : std::uint8_t{0}; });
  standardise(values, mask);
  const LargeVector<float> want = resize_cubic(values, size, m.box, m.size);
  CHECK(std::equal(want.begin(), want.end(), c.image.begin() + 2 * std::ssize(want)));  // the box is all brain
  CHECK(c.label == resize_classes(classes_of(tumour(size, 13)), size, m.box, m.size));
  // A brain with a hole: outside it the image is 0, though the spline rings there.
  LargeVector<float> ball(27, 1);
  LargeVector<std::uint8_t> inside(27, 1);
  for (std::size_t i = 9; i < 18; ++i) { ball[i] = static_cast<float>(inside[i] = 0); }
  const LargeVector<float> ringing = resize_cubic(ball, {3, 3, 3}, {{0, 0, 0}, {3, 3, 3}}, {9, 3, 3});
  const LargeVector<float> cut = native_image(ball, inside, {3, 3, 3}, {9, 3, 3}, 1);
  for (std::size_t i = 0; i < cut.size(); ++i) {
    const std::size_t d = i / 9;  // slices 3, 4 and 5 of 9 lie in the hole, whose share is 1 there and 1/3 beside it
    CHECK(cut[i] == (d >= 3 && d <= 5 ? 0 : ringing[i]));
  }
  // Twice as many voxels along an axis: two fine voxels of each, both of its class, come back as that voxel.
  const CaseFiles thick = write_spaced(folder.path(), "b", {12, 32, 32}, {2, 1, 1}, 13);
  const PreparedCase t = prepare_case(thick, native("1"), 1);
  CHECK(t.info.mapping.size == Extent3{12, 16, 16});
  const LabelMap back = restored_labels(t);
  CHECK(back.geometry == t.info.mapping.source);
  CHECK(back.values == classes_of(tumour({12, 32, 32}, 13)));
}

TEST_CASE("native: extents are rounded as NumPy rounds, and a grid without bounds is refused", "[prepare]") {
  Geometry g = grid({100, 100, 100});
  g.spacing_mm = {0.5, 1.5, 0.1};
  const Box box{{0, 0, 0}, {5, 7, 3}};  // 2.5, 10.5 and 0.3 of 1 mm: halves to even
  CHECK(native_size(g, box, {1, 1, 1}, "f") == Extent3{2, 10, 1});
  CHECK(native_size(g, box, {}, "f") == box.size);
  CHECK_THROWS_WITH(native_size(g, box, {1, 0.01, 1}, "case"),
                    ContainsSubstring("case: 7 voxels of 1.5 mm would be 1050 of 0.01 mm along axis 1"));
}

TEST_CASE("native: spacings by name, and nothing else", "[prepare]") {
  CHECK(spacing_named("1,0.5,2") == std::array<double, 3>{1, 0.5, 2});
  CHECK(spacing_named("1.25") == std::array<double, 3>{1.25, 1.25, 1.25});
  CHECK(spacing_named("keep") == std::array<double, 3>{});
  for (const char* text : {"1,0.5,2", "keep", "1.25,1.25,1.25"}) { CHECK(spacing_text(spacing_named(text)) == text); }
  for (const char* text : {"", "1,1", "1,1,1,1", "1,1,", "1;1;1", "1,1,1mm", "kept"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(spacing_named(text), ContainsSubstring("wants three numbers of mm joined by ','"));
  }
  for (const char* text : {"0", "-1,1,1", "1,nan,1", "1,1,inf", "101"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(spacing_named(text), ContainsSubstring("mm, wants above 0 and at most 100"));
  }
}

TEST_CASE("foreground: every voxel of a small class, a sample of a large one, alike each time", "[prepare]") {
  LargeVector<std::uint8_t> label(40'000);
  for (std::size_t i = 0; i < label.size(); ++i) { label[i] = i % 2 == 0 ? std::uint8_t{2} : std::uint8_t{0}; }
  label[7] = label[39'999] = 1;
  const auto found = [&](Foreground f) { return foreground_positions(label, f); };
  CHECK(found(Foreground::necrotic) == std::vector<std::int64_t>{7, 39'999});
  CHECK(found(Foreground::core) == found(Foreground::necrotic));
  CHECK(found(Foreground::enhancing).empty());
  const std::vector<std::int64_t> whole = found(Foreground::whole_tumour);
  CHECK(whole.size() == kMostPositions);
  CHECK(std::ranges::all_of(whole, [&](std::int64_t i) { return label[at(i)] != 0; }));
  const std::vector<std::int64_t> two = found(Foreground::oedema);
  CHECK(whole != two);
  REQUIRE(two.size() == kMostPositions);
  CHECK(std::ranges::is_sorted(two));
  CHECK(std::ranges::adjacent_find(two) == two.end());
  CHECK(std::ranges::all_of(two, [&](std::int64_t i) { return label[at(i)] == 2; }));
  // Of 20,000 each with probability 1/2: the mean of the positions lies within five of its deviations, 20,000 times the
  // root of 1/12 (1 - 1/2) / 10,000 times 2, and both halves hold some 5,000 give or take five times 50.
  const double mean = std::accumulate(two.begin(), two.end(), 0.0) / static_cast<double>(two.size());
  CHECK(std::abs(mean - 20'000) < 5 * 40'000 * std::sqrt(0.5 / 12 / 10'000));
  CHECK(std::abs(static_cast<double>(std::ranges::count_if(two, [](std::int64_t i) { return i < 20'000; })) - 5'000) <
        5 * 50);
  CHECK(found(Foreground::oedema) == two);
  label.resize(20'000);  // 10,000 of them: all, and one more of the whole tumour
  CHECK(found(Foreground::oedema).size() == kMostPositions);
  CHECK(found(Foreground::oedema).back() == 19'998);
  CHECK(found(Foreground::whole_tumour).size() == kMostPositions);
}

TEST_CASE("prepared case: a part is read as it lies there, 0 beyond the case, from f32 and from bf16", "[prepare]") {
  const TempFolder folder;
  PreparedCase c = prepare_case(write_case(folder.path(), "a", {8, 12, 20}), native("keep"));
  const Extent3 size = c.info.mapping.size;
  REQUIRE(size == Extent3{4, 6, 10});
  for (const FileDType type : {FileDType::f32, FileDType::bf16}) {
    c.info.image_type = type;
    const fs::path path = folder / "a.safetensors";
    write_prepared_case(path, c);
    const PreparedFile file(path);
    CHECK(file.info().image_type == type);
    CHECK(file.info().mapping == c.info.mapping);
    CHECK(file.info().recipe == c.info.recipe);
    const auto stored = [&](float x) { return type == FileDType::f32 ? x : to_float(to_bf16(x)); };
    std::vector<float> converted;
    const std::span<const float> whole = file.image(converted);
    CHECK(std::ranges::equal(whole, c.image, {}, {}, stored));
    for (const Box& box : {Box{{1, 2, 3}, {2, 3, 4}}, Box{{-2, 3, -1}, {8, 5, 12}}, Box{{0, 0, 0}, size},
                           Box{{4, 0, 0}, {2, 2, 2}}, Box{{-9, 1, 1}, {2, 2, 2}}, Box{{1, 1, -4}, {1, 1, 4}}}) {
      const auto voxels = at(box.size[0] * box.size[1] * box.size[2]);
      LargeVector<float> image(4 * voxels, std::numeric_limits<float>::quiet_NaN());
      LargeVector<std::uint8_t> label(voxels, 255);
      file.read(box, image, label);
      for (std::size_t i = 0; i < image.size(); ++i) {
        const auto v = static_cast<std::int64_t>(i % voxels);
        const std::int64_t d = v / (box.size[1] * box.size[2]) + box.start[0];
        const std::int64_t h = v / box.size[2] % box.size[1] + box.start[1];
        const std::int64_t w = v % box.size[2] + box.start[2];
        const bool in = d >= 0 && d < size[0] && h >= 0 && h < size[1] && w >= 0 && w < size[2];
        const auto from = in ? at((d * size[1] + h) * size[2] + w) : 0;
        const float want = in ? stored(c.image[i / voxels * c.label.size() + from]) : 0;
        if (image[i] != want) { FAIL("image " << i << " of a box from " << box.start[0]); }
        if (i < voxels && label[i] != (in ? c.label[from] : 0)) { FAIL("label " << i); }
      }
    }
    LargeVector<float> few(4);
    LargeVector<std::uint8_t> one(1);
    CHECK_THROWS_WITH(file.read({{0, 0, 0}, {1, 1, 2}}, few, one), ContainsSubstring("wants 8 and 2"));
    for (const Foreground f : kForegrounds) {
      CHECK(std::ranges::equal(file.positions(f), foreground_positions(c.label, f)));
    }
  }
}

TEST_CASE("prepared case: a file of format 1 is read, has no positions, and is made anew by prepare", "[prepare]") {
  const TempFolder folder;
  write_case(folder / "in", "a", {8, 9, 10});
  const PrepareOptions options{.input = folder / "in", .output = folder / "out", .recipe = recipe_named("zscore", 8)};
  const auto outcome = [](const PrepareOptions& o) { return prepare_cases(o).cases.at(0).outcome; };
  REQUIRE(outcome(options) == Outcome::prepared);
  const fs::path path = folder / "out" / "a.safetensors";
  const std::string now = read_bytes(path);
  {
    const SafetensorsFile file(path);
    Metadata metadata = file.metadata();
    metadata["format"] = "voxgrad prepared case 1";
    metadata.erase("grid");
    metadata.erase("recipe_spacing_mm");
    std::vector<TensorToWrite> tensors;
    for (const char* name : {"image", "label"}) {
      const TensorInFile& t = file.tensor(name);
      tensors.push_back({name, t.dtype, t.shape, t.bytes});
    }
    write_safetensors(folder / "old", tensors, metadata);
  }
  fs::rename(folder / "old", path);
  {
    const PreparedFile old(path);
    CHECK(old.info().mapping == PreparedFile(path).info().mapping);
    CHECK(old.label().size() == 512);
    CHECK_THROWS_WITH(static_cast<void>(old.positions(Foreground::core)),
                      ContainsSubstring("an earlier version prepared it"));
  }
  CHECK(outcome(options) == Outcome::prepared);
  CHECK(read_bytes(path) == now);
  CHECK(outcome(options) == Outcome::up_to_date);
  PrepareOptions half = options;
  half.image_type = FileDType::bf16;
  CHECK(outcome(half) == Outcome::prepared);
  CHECK(outcome(half) == Outcome::up_to_date);
  half.recipe = native("1");
  CHECK(outcome(half) == Outcome::prepared);
  half.recipe = native("keep");
  CHECK(outcome(half) == Outcome::prepared);
  CHECK_THROWS_WITH(check_recipe(PreparedFile(path).info(), native("1"), "f"),
                    ContainsSubstring("recipe native, spacing kept (t1,t1ce,t2,flair), wants native at 1,1,1 mm"));
  half.image_type = FileDType::u8;
  CHECK_THROWS_AS(prepare_cases(half), Error);
}

TEST_CASE("prepare: options of other recipes are refused, and the words of those that there are", "[cli][prepare]") {
  const TempFolder folder;
  write_case(folder / "in", "a", {8, 9, 10});
  const auto prepare = [&](const std::string& options) {
    return voxgrad("prepare -i '" + (folder / "in").string() + "' -o '" + (folder / "out").string() + "' " + options);
  };
  for (const auto& [options, why] :
       {std::pair{"--recipe native --size 64", "--size: recipe native keeps every case's own extent"},
        std::pair{"--spacing-mm 1,1,1", "--spacing-mm: recipe seed resizes to a cube"},
        std::pair{"--recipe native --spacing-mm 0", "0 mm, wants above 0"},
        std::pair{"--recipe native --spacing-mm 1,nan,1", "nan mm, wants above 0"},
        std::pair{"--cache-type f16", "--cache-type"}}) {
    const Ended e = prepare(options);
    CAPTURE(options, e.output);
    CHECK(e.code == 2);
    CHECK_THAT(e.output, ContainsSubstring(why));
  }
  CHECK_FALSE(fs::exists(folder / "out"));
  const Ended e = prepare("--recipe native --spacing-mm 2 --cache-type bf16 --json");
  CAPTURE(e.output);
  CHECK(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring(R"("spacing_mm": "2,2,2")") && ContainsSubstring(R"("cache_type": "bf16")"));
  CHECK(PreparedFile(folder / "out" / "a.safetensors").info().mapping.size == Extent3{2, 2, 2});
}

}  // namespace
}  // namespace vox::test
