#include "data/prepare/prepare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <set>

#include "data/nifti/nifti.h"
#include "data/prepare/restore.h"
#include "engine/folder_lock.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/small_case.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

TEST_CASE("prepare: tutorial scales each axial slice, crops, and is bit for bit that formula in double", "[prepare]") {
  const TempFolder folder;
  const Extent3 size{143, 185, 184};
  CaseFiles files = write_case(folder.path(), "a", size, 120);
  files.images[static_cast<std::size_t>(Modality::t1)].clear();  // the tutorial does without
  Image flair = brain(size, static_cast<std::uint32_t>(Modality::flair));
  std::fill_n(flair.values.begin() + flair.index(70, 0, 0), 185 * 184, 7.0F);  // a constant slice
  fs::remove(files.image(Modality::flair));
  write_nifti(files.image(Modality::flair), flair);
  const PreparedCase c = prepare_case(files, recipe_named("tutorial"), 2);
  REQUIRE(c.image.size() == at(3) * 128 * 128 * 128);
  const std::array<Image, 3> images{flair, brain(size, static_cast<std::uint32_t>(Modality::t1ce)),
                                    brain(size, static_cast<std::uint32_t>(Modality::t2))};
  const LabelMap labels = tumour(size, 120);
  for (std::int64_t m = 0; m < 3; ++m) {
    for (std::int64_t d = 0; d < 128; ++d) {
      const Image& image = images[at(m)];
      const auto first = image.values.begin() + image.index(d + 13, 0, 0);
      const auto [low, high] = std::minmax_element(first, first + 185 * 184);
      const double range = static_cast<double>(*high) - static_cast<double>(*low);
      const double scale = range == 0 ? 1 : 1 / range;
      const double offset = 0 - static_cast<double>(*low) * scale;
      for (std::int64_t h = 0; h < 128; ++h) {
        for (std::int64_t w = 0; w < 128; ++w) {
          const double x = static_cast<double>(image.values[at(image.index(d + 13, h + 56, w + 56))]);
          if (c.image[at(((m * 128 + d) * 128 + h) * 128 + w)] != static_cast<float>(x * scale + offset)) {
            FAIL("channel " << m << " [" << d << "," << h << "," << w << "]");
          }
        }
      }
    }
  }
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < 128 * 128 * 128; ++i) {
    const std::uint8_t number = labels.values[at(labels.index(i / 16384 + 13, i / 128 % 128 + 56, i % 128 + 56))];
    if (c.label[at(i)] != (number == 4 ? 3 : number)) { FAIL("label " << i); }
    found += number != 0 ? 1 : 0;
  }
  CHECK(found == 96);
  std::vector<std::string> notes;
  static_cast<void>(prepare_case(files, recipe_named("tutorial"), 1, &notes));
  CHECK(std::ranges::count(notes, "24 of 120 tumour voxels lie outside the crop") == 1);
}

TEST_CASE("prepare: seed scales each volume to [0,1] and resizes the whole of it", "[prepare]") {
  const TempFolder folder;
  const Extent3 size{9, 12, 15};
  const CaseFiles files = write_case(folder.path(), "a", size);
  const PreparedCase c = prepare_case(files, recipe_named("seed", 8), 1);
  CHECK(c.info.mapping.box == Box{{0, 0, 0}, size});
  CHECK(c.info.mapping.source == grid(size));
  for (std::int64_t m = 0; m < 4; ++m) {
    Image image = brain(size, static_cast<std::uint32_t>(m));
    const auto [low, high] = std::minmax_element(image.values.begin(), image.values.end());
    const float range = *high - *low;
    const float lowest = *low;
    for (float& x : image.values) { x = (x - lowest) / range; }
    const LargeVector<float> want = resize_trilinear(image.values, size, {{0, 0, 0}, size}, {8, 8, 8});
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (!(std::abs(c.image[at(m * 512) + i] - want[i]) <= 4 * 0x1p-23F)) { FAIL("channel " << m << " voxel " << i); }
    }
  }
  CHECK(c.label == resize_nearest(prepare_case(files, recipe_named("seed", 8)).label, {8, 8, 8}, {{0, 0, 0}, {8, 8, 8}},
                                  {8, 8, 8}));
}

TEST_CASE("prepare: zscore has mean 0 and deviation 1 in the brain, 0 around it, and the brain's box", "[prepare]") {
  const TempFolder folder;
  const Extent3 size{32, 32, 32};
  const CaseFiles files = write_case(folder.path(), "a", size);
  const PreparedCase c = prepare_case(files, recipe_named("zscore", 16), 1);
  CHECK(c.info.mapping.box == Box{{8, 8, 8}, {16, 16, 16}});  // |4d - 62| < 32: 8 to 23
  for (std::size_t m = 0; m < 4; ++m) {
    const Image image = brain(size, static_cast<std::uint32_t>(m));
    double sum = 0;
    double squares = 0;
    for (const float x : image.values) {
      sum += static_cast<double>(x);
      squares += static_cast<double>(x) * static_cast<double>(x);
    }
    const double mean = sum / 4096;
    const double deviation = std::sqrt(squares / 4096 - mean * mean);
    for (std::int64_t i = 0; i < 4096; ++i) {
      const double x = static_cast<double>(image.values[at(image.index(8 + i / 256, 8 + i / 16 % 16, 8 + i % 16))]);
      if (!(std::abs(static_cast<double>(c.image[m * 4096 + at(i)]) - (x - mean) / deviation) <= 1e-6)) {
        FAIL("channel " << m << " voxel " << i);
      }
    }
  }
  const PreparedCase wide = prepare_case(files, recipe_named("seed", 32), 1);
  LargeVector<std::uint8_t> classes = tumour(size, 9).values;
  std::ranges::replace(classes, std::uint8_t{4}, std::uint8_t{3});
  CHECK(std::ranges::equal(wide.label, classes));
}

TEST_CASE("prepare: one-hot labels restored on the mapping are the labels again", "[prepare]") {
  const TempFolder folder;
  const Extent3 size{32, 32, 32};
  const CaseFiles files = write_case(folder.path(), "a", size, 31);
  const PreparedCase c = prepare_case(files, recipe_named("zscore", 16), 1);
  LargeVector<float> p(4 * c.label.size());
  for (std::size_t i = 0; i < c.label.size(); ++i) { p[c.label[i] * c.label.size() + i] = 1; }
  const LabelMap restored = restore_labels(p, c.info.mapping);
  LabelMap want = tumour(size, 31);
  to_classes(want.values, LabelConvention::brats2020, "seg");
  for (std::int64_t w = 0; w < 32; ++w) {  // what lies outside the brain's box is lost
    if (w < 8 || w > 23) { want.values[at(want.index(16, 16, w))] = 0; }
  }
  CHECK(restored.geometry == c.info.mapping.source);
  CHECK(std::ranges::equal(restored.values, want.values));
}

struct Prepared {
  std::vector<CaseReport> reports;
  std::vector<std::string> seen;
};

Prepared prepare(const fs::path& in, const fs::path& out, const Recipe& recipe, int threads) {
  Prepared p;
  PrepareOptions options{.input = in, .output = out, .recipe = recipe, .threads = threads};
  options.on_report = [&](const CaseReport& r, std::size_t done, std::size_t) {
    p.seen.push_back(r.id);
    CHECK(done == p.seen.size());
  };
  p.reports = prepare_cases(options).cases;
  return p;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& e : fs::directory_iterator(folder)) { names.insert(e.path().filename().string()); }
  return names;
}

TEST_CASE("prepare: a folder is prepared once, again where something changed, alike for any threads",
          "[prepare][threads]") {
  const TempFolder folder;
  const Extent3 size{10, 11, 12};
  for (const char* id : {"a", "b", "c", "d"}) { write_case(folder / "in", id, size); }
  const fs::path out = folder / "deep" / "out";
  const Recipe recipe = recipe_named("zscore", 8);
  const auto outcomes = [&](const Recipe& r, int threads) {
    std::string text;
    for (const CaseReport& report : prepare(folder / "in", out, r, threads).reports) {
      text += report.id + " " + std::string(name(report.outcome)) + ",";
    }
    return text;
  };
  CHECK(outcomes(recipe, 3) == "a prepared,b prepared,c prepared,d prepared,");
  const std::string first = read_bytes(out / "b.safetensors");
  CHECK(outcomes(recipe, 2) == "a up to date,b up to date,c up to date,d up to date,");
  CHECK(names_in(out) == std::set<std::string>{"a.safetensors", "b.safetensors", "c.safetensors", "d.safetensors"});
  fs::remove(folder / "in" / "a" / "a_seg.nii");
  write_nifti(folder / "in" / "a" / "a_seg.nii", tumour(size, 10));
  write_bytes(out / "b.safetensors", first.substr(0, 1000));
  fs::remove(out / "c.safetensors");
  write_bytes(out / ".d.safetensors.tmp-1-1", "left by a killed process");
  CHECK(outcomes(recipe, 1) == "a prepared,b prepared,c prepared,d up to date,");
  CHECK(read_bytes(out / "b.safetensors") == first);
  CHECK(names_in(out).size() == 4);
  CHECK(outcomes(recipe_named("zscore", 9), 4) == "a prepared,b prepared,c prepared,d prepared,");
  const PreparedFile file(out / "d.safetensors");
  CHECK(file.info().recipe == recipe_named("zscore", 9));
  CHECK(file.info().sources.at(4) == "d_seg.nii");
  CHECK(file.info().source_hash == hash_sources(find_cases(folder / "in" / "d").at(0), recipe));
  CHECK(file.info().source_hash.size() == 32);
}

TEST_CASE("prepare: a bad case is reported, leaves no file, and does not stop the others", "[prepare][threads]") {
  const TempFolder folder;
  for (const char* id : {"a", "b", "c"}) { write_case(folder / "in", id, {10, 11, 12}); }
  const Recipe recipe = recipe_named("seed", 8);
  CHECK(prepare(folder / "in", folder / "out", recipe, 2).seen.size() == 3);
  const fs::path broken = folder / "in" / "b" / "b_t2.nii";
  write_bytes(broken, read_bytes(broken).substr(0, 1000));
  const Prepared p = prepare(folder / "in", folder / "out", recipe, 2);
  CHECK(p.reports.at(0).outcome == Outcome::up_to_date);
  CHECK(p.reports.at(1).outcome == Outcome::failed);
  CHECK(p.reports.at(2).outcome == Outcome::up_to_date);
  CHECK_THAT(p.reports[1].message,
             ContainsSubstring("b_t2.nii") && ContainsSubstring("earlier prepared file was removed"));
  CHECK(names_in(folder / "out") == std::set<std::string>{"a.safetensors", "c.safetensors"});
  CHECK_THROWS_AS(prepare(folder / "none", folder / "out", recipe, 1), DataError);
  CHECK_THROWS_AS(prepare(folder / "in", broken, recipe, 1), OutputError);
}

TEST_CASE("prepare: the tutorial leaves out a case with little tumour, and says how little", "[prepare]") {
  const TempFolder folder;
  write_case(folder / "in", "a", {141, 184, 184});
  const Prepared p = prepare(folder / "in", folder / "out", recipe_named("tutorial"), 1);
  CHECK(p.reports.at(0).outcome == Outcome::left_out);
  CHECK(p.reports[0].message == "0.00 % of the crop is tumour, recipe tutorial wants more than 1.00 %");
  CHECK(names_in(folder / "out").empty());
}

TEST_CASE("prepare: a folder that another process is filling is refused", "[prepare]") {
  const TempFolder folder;
  write_case(folder / "in", "a", {8, 8, 8});
  fs::create_directories(folder / "out");
  auto other = std::make_unique<FolderLock>(folder / "out", "voxgrad prepare");
  CHECK_THROWS_WITH(prepare(folder / "in", folder / "out", recipe_named("seed", 8), 1),
                    ContainsSubstring("is being written to by voxgrad prepare, process"));
  other.reset();
  CHECK(prepare(folder / "in", folder / "out", recipe_named("seed", 8), 1).reports.at(0).outcome == Outcome::prepared);
}

TEST_CASE("prepare: recipes and modalities by name, and nothing else", "[prepare]") {
  CHECK(recipe_named("tutorial").modalities == std::vector<Modality>{Modality::flair, Modality::t1ce, Modality::t2});
  CHECK(modality_list(recipe_named("zscore", 64).modalities) == "t1,t1ce,t2,flair");
  CHECK(modalities_listed("t2,flair") == std::vector<Modality>{Modality::t2, Modality::flair});
  CHECK_THROWS_WITH(modalities_listed("t2,t3"), ContainsSubstring("modality 't3' is none of t1,t1ce,t2,flair"));
  CHECK_THROWS_WITH(modalities_listed("t2,t2"), ContainsSubstring("twice"));
  CHECK_THROWS_WITH(recipe_named("tutorial", 64), ContainsSubstring("recipe tutorial crops to 128 voxels"));
  CHECK_THROWS_WITH(recipe_named("best"), ContainsSubstring("recipe 'best' is none of tutorial, seed, zscore, native"));
  CHECK_THROWS_AS(recipe_named("seed", 0), Error);
}

TEST_CASE("prepared case: all that was written is read back, and a file of something else is refused", "[prepare]") {
  const TempFolder folder;
  const PreparedCase c = prepare_case(write_case(folder.path(), "a", {8, 9, 10}), recipe_named("seed", 9));
  const fs::path path = folder / "a.safetensors";
  write_prepared_case(path, c);
  const PreparedFile file(path);
  std::vector<float> converted;
  CHECK(std::ranges::equal(file.image(converted), c.image));
  CHECK(converted.empty());
  CHECK(std::ranges::equal(file.label(), c.label));
  CHECK(file.info().mapping == c.info.mapping);
  CHECK(file.info().recipe == c.info.recipe);
  CHECK(file.info().sources == c.info.sources);
  CHECK(file.info().id == "a");
  CHECK_NOTHROW(check_recipe(file.info(), recipe_named("seed", 9), "a"));
  CHECK_THROWS_WITH(check_recipe(file.info(), recipe_named("zscore", 9), "f"),
                    ContainsSubstring("f: was prepared with recipe seed at 9^3 (t1,t1ce,t2,flair), wants zscore"));
  CHECK_THROWS_AS(check_recipe(file.info(), recipe_named("seed", 8), "f"), DataError);
  CHECK(find_prepared_cases(folder.path()) == std::vector<fs::path>{path});
  const SafetensorsFile raw(path);
  const auto changed = [&](const std::string& key, const std::string& value) {
    Metadata metadata = raw.metadata();
    metadata[key] = value;
    std::vector<TensorToWrite> tensors;
    for (const auto& [tensor, t] : raw.tensors()) { tensors.push_back({tensor, t.dtype, t.shape, t.bytes}); }
    fs::path other = folder / "other";
    write_safetensors(other, tensors, metadata);
    return other;
  };
  REQUIRE_NOTHROW(PreparedFile(changed("id", "b")));
  CHECK_THROWS_WITH(PreparedFile(changed("format", "voxgrad prepared case 99")), ContainsSubstring("case 99, wants"));
  for (const auto& [key, value] : Metadata{{"size", "10"},
                                           {"size", "x"},
                                           {"recipe", "best"},
                                           {"modalities", "t1"},
                                           {"crop_box", "{}"},
                                           {"crop_box", R"({"start":[0,0,0],"size":[9,9,9]})"},
                                           {"source_geometry", "7"},
                                           {"sources", "[1]"},
                                           {"label_convention", "x"}}) {
    INFO(key << " " << value);
    CHECK_THROWS_AS(PreparedFile(changed(key, value)), DataError);
    CHECK_THROWS_WITH(PreparedFile(changed(key, value)), ContainsSubstring("is a damaged prepared case"));
  }
  write_safetensors(folder / "weights", {}, {});
  CHECK_THROWS_WITH(PreparedFile(folder / "weights"), ContainsSubstring("a safetensors file of something else"));
  CHECK_THROWS_AS(find_prepared_cases(folder / "a"), DataError);
}

TEST_CASE("prepare: real cases pass every recipe", "[prepare]") {
  const auto cases = real_data("brats");
  if (!cases) { return; }
  const CaseFiles files = find_cases(*cases / "Brats18_2013_3_1").at(0);
  for (const char* recipe : {"tutorial", "seed", "zscore", "native"}) {
    const PreparedCase c = prepare_case(files, recipe_named(recipe), 2);
    CHECK(tumour_fraction(c) > 0.01);
    CHECK(*std::ranges::max_element(c.label) == 3);
    CHECK(std::ranges::all_of(c.image, [](float x) { return std::isfinite(x); }));
  }
}

}  // namespace
}  // namespace vox::test
