#include <algorithm>
#include <limits>

#include "data/nifti/nifti.h"
#include "data/prepare/prepare.h"
#include "data/synth/synth.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/small_case.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

const Extent3 kSize{16, 18, 20};

void replace(const fs::path& file, const Image& image) {
  fs::remove(file);
  write_nifti(file, image);
}

CheckRules allowing(const std::string& code) { return {.labels = {}, .allowed = allowed_findings({code})}; }

/// What prepare says of the case; empty where it takes it.
std::string refusal(const CaseFiles& files, const Recipe& recipe, const CheckRules& rules = {}) {
  try {
    static_cast<void>(prepare_case(files, recipe, 1, nullptr, rules));
  } catch (const DataError& e) { return e.what(); }
  return "";
}

}  // namespace

TEST_CASE("prepare: whatever check calls an error stops a case, with code and words; nothing else does", "[prepare]") {
  const TempFolder folder;
  const fs::path in = folder / "in";
  static_cast<void>(write_synthetic_cases(
      {.output = in, .cases = 4, .seed = 11, .size = {40, 64, 64}, .plant_faults = true, .threads = 2}));
  const CheckReport checked = check_cases({.input = in, .labels = {}, .mask_suffix = {}, .threads = 2});
  PrepareOptions options{.input = in, .output = folder / "out", .recipe = recipe_named("seed", 8), .threads = 2};
  const PrepareReport prepared = prepare_cases(options);
  REQUIRE(prepared.cases.size() == checked.cases.size());
  for (std::size_t c = 0; c < checked.cases.size(); ++c) {
    const CaseReport& report = prepared.cases[c];
    CAPTURE(report.id, report.message);
    CHECK(report.id == checked.cases[c].id);
    bool error = false;
    for (const Finding& f : checked.cases[c].findings) {
      if (code_of(f.check).severity != Severity::error) { continue; }
      error = true;
      const CheckCode& code = code_of(f.check);
      CHECK_THAT(report.message, ContainsSubstring(fmt::format("{} {}: ", code.code, code.title)) &&
                                     ContainsSubstring(std::string(code.advice)));
    }
    CHECK(report.outcome == (error ? Outcome::failed : Outcome::prepared));
    CHECK(fs::exists(folder / "out" / (report.id + ".safetensors")) == !error);
  }
}

TEST_CASE("prepare: --allow lifts what somebody really means, and only what can be lifted", "[prepare]") {
  const TempFolder folder;
  const CaseFiles files = write_case(folder.path(), "a", kSize);
  const Recipe seed = recipe_named("seed", 8);
  Image moved = brain(kSize, 3);
  moved.geometry.affine = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};  // np.eye(4) instead of LPS
  replace(files.image(Modality::flair), moved);
  CHECK_THAT(refusal(files, seed), ContainsSubstring("BT-011 place differs within the case: ") &&
                                       ContainsSubstring("a_flair.nii") && ContainsSubstring("--allow BT-011"));
  CHECK(refusal(files, seed, allowing("BT-011")).empty());

  replace(files.image(Modality::flair), Image{grid(kSize), LargeVector<float>(at(16 * 18 * 20), 4.0F)});
  CHECK_THAT(refusal(files, seed), ContainsSubstring("BT-021") && ContainsSubstring("every voxel is 4"));
  CHECK(refusal(files, seed, allowing("BT-021")).empty());
  replace(files.image(Modality::flair), brain(kSize, 2));
  CHECK_THAT(refusal(files, seed), ContainsSubstring("BT-023") && ContainsSubstring("those of t2"));
  CHECK(refusal(files, seed, allowing("BT-023")).empty());

  CHECK_THROWS_WITH(allowed_findings({"BT-004"}), ContainsSubstring("BT-004") && ContainsSubstring("BT-011, BT-021"));
  CHECK_THROWS_WITH(allowed_findings({"BT-999"}), ContainsSubstring("there is no such code"));
}

TEST_CASE("prepare: what a case lacks or has wrong is named with its file", "[prepare]") {
  const TempFolder folder;
  const CaseFiles files = write_case(folder.path(), "a", kSize);
  const Recipe seed = recipe_named("seed", 8);
  CaseFiles f = files;
  f.images[0].clear();
  CHECK_THAT(refusal(f, seed), ContainsSubstring("BT-001") && ContainsSubstring("no t1 image"));
  CHECK_THAT(refusal(files, recipe_named("tutorial")), ContainsSubstring("has 16x18x20 voxels"));
  const fs::path odd = folder / "odd.nii";
  f = files;
  f.images[3] = odd;
  write_nifti(odd, brain({16, 18, 21}, 3));
  CHECK_THAT(refusal(f, seed),
             ContainsSubstring("odd.nii") && ContainsSubstring("21x18x16") && ContainsSubstring("t1 has 20x18x16"));
  Image image = brain(kSize, 3);
  image.values[100] = std::numeric_limits<float>::quiet_NaN();
  replace(odd, image);
  CHECK_THAT(refusal(f, seed), ContainsSubstring("BT-020") && ContainsSubstring("1 voxels are NaN or infinite"));
  f = files;
  f.labels = odd;
  LabelMap labels = tumour(kSize, 9);
  labels.values[0] = 3;
  fs::remove(odd);
  write_nifti(odd, labels);
  CHECK_THAT(refusal(f, seed),
             ContainsSubstring("BT-039") && ContainsSubstring("odd.nii") && ContainsSubstring("3 and 4 together"));
  const CheckRules as2024{.labels = {.asked = LabelConvention::brats2024, .mixed = false}, .allowed = {}};
  std::vector<std::string> notes;
  const PreparedCase c = prepare_case(f, recipe_named("seed", 20), 1, &notes, as2024);
  CHECK(c.info.convention == LabelConvention::brats2024);
  CHECK(std::ranges::count(notes, "3 voxels of resection cavity become background") == 1);
}

TEST_CASE("prepare: one bad case, named twice or in two folders, stops no other", "[prepare]") {
  const TempFolder folder;
  for (const char* id : {"a", "b", "c"}) { write_case(folder / "in", id, kSize); }
  fs::copy(folder / "in/b/b_t2.nii", folder / "in/b/b_t2.nii.gz");
  fs::create_directories(folder / "in/c_old");
  fs::copy(folder / "in/c/c_t2.nii", folder / "in/c_old/c_t2.nii");
  const PrepareReport report = prepare_cases(
      {.input = folder / "in", .output = folder / "out", .recipe = recipe_named("seed", 8), .threads = 2});
  CHECK(report.cases.at(0).outcome == Outcome::prepared);
  CHECK(report.cases.at(1).outcome == Outcome::failed);
  CHECK_THAT(report.cases[1].message, ContainsSubstring("BT-008") && ContainsSubstring("b_t2.nii.gz"));
  CHECK(report.cases.at(2).outcome == Outcome::failed);
  CHECK_THAT(report.cases[2].message, ContainsSubstring("BT-009") && ContainsSubstring("c_old"));
}

TEST_CASE("prepare: zscore refuses a brain that fills the volume, and takes a given mask", "[prepare]") {
  for (const bool noise : {true, false}) {
    CAPTURE(noise);
    const TempFolder folder;
    CaseFiles files = write_case(folder.path(), "a", kSize);
    for (std::uint32_t m = 0; m < 4; ++m) {
      Image image = brain(kSize, m);
      for (std::size_t v = 0; v < image.values.size(); ++v) {
        if (image.values[v] == 0) { image.values[v] = noise ? static_cast<float>(1 + v % 5) : -3.0F; }
      }
      replace(files.images[m], image);
    }
    const Recipe zscore = recipe_named("zscore", 8);
    CHECK_THAT(refusal(files, zscore), ContainsSubstring("BT-026 no background") && ContainsSubstring("100.0 %") &&
                                           ContainsSubstring("--mask-suffix"));
    std::vector<std::string> notes;
    CHECK_NOTHROW(prepare_case(files, zscore, 1, &notes, allowing("BT-026")));
    CHECK_THAT(notes.at(0), ContainsSubstring("BT-026 no background"));
    CHECK(refusal(files, recipe_named("seed", 8)).empty());
    const CaseCheck checked = check_case(files);
    CHECK(std::ranges::any_of(checked.findings, [](const Finding& f) { return f.check == Check::brain_fills_volume; }));

    CHECK_THAT(refusal(find_cases(folder.path(), "mask").at(0), zscore),
               ContainsSubstring("BT-001") && ContainsSubstring("no mask (ID_mask or ID-mask)"));
    LabelMap mask{grid(kSize), LargeVector<std::uint8_t>(at(16 * 18 * 20))};
    const Image bare = brain(kSize, 0);
    std::ranges::transform(bare.values, mask.values.begin(),
                           [](float v) { return static_cast<std::uint8_t>(v != 0 ? 1 : 0); });
    write_nifti(folder / "a/a_mask.nii", mask);
    const CaseFiles masked = find_cases(folder.path(), "mask").at(0);
    const PreparedCase c = prepare_case(masked, zscore);
    const TempFolder clean;
    const PreparedCase want = prepare_case(write_case(clean.path(), "a", kSize), zscore);
    CHECK(c.image == want.image);  // as if the background had been 0
    CHECK(c.info.mapping.box == want.info.mapping.box);
    CHECK(c.info.sources.back() == "a_mask.nii");
    CHECK(hash_sources(masked, zscore) != hash_sources(files, zscore));
    mask.geometry.affine[3] += 7;
    fs::remove(folder / "a/a_mask.nii");
    write_nifti(folder / "a/a_mask.nii", mask);
    CHECK_THAT(refusal(masked, zscore), ContainsSubstring("BT-011") && ContainsSubstring("a_mask.nii"));
  }
}

TEST_CASE("prepare: cases whose source is gone are named, and removed where that is asked for", "[prepare]") {
  const TempFolder folder;
  for (const char* id : {"a", "b", "c"}) { write_case(folder / "in", id, kSize); }
  PrepareOptions options{.input = folder / "in", .output = folder / "out", .recipe = recipe_named("seed", 8)};
  CHECK(prepare_cases(options).strays.empty());
  fs::remove_all(folder / "in/b");
  write_bytes(folder / "out/weights.safetensors", "not ours");
  CHECK(prepare_cases(options).strays == std::vector<std::string>{"b.safetensors"});
  CHECK(fs::exists(folder / "out/b.safetensors"));
  options.prune = true;
  CHECK(prepare_cases(options).strays == std::vector<std::string>{"b.safetensors"});
  CHECK_FALSE(fs::exists(folder / "out/b.safetensors"));
  CHECK(fs::exists(folder / "out/weights.safetensors"));
  CHECK(prepare_cases(options).strays.empty());
}

TEST_CASE("prepare: another --labels prepares a case again", "[prepare]") {
  const TempFolder folder;
  write_case(folder / "in", "a", kSize);
  PrepareOptions options{.input = folder / "in", .output = folder / "out", .recipe = recipe_named("seed", 8)};
  CHECK(prepare_cases(options).cases.at(0).outcome == Outcome::prepared);
  options.labels = LabelConvention::brats2020;
  CHECK(prepare_cases(options).cases.at(0).outcome == Outcome::up_to_date);
  options.labels = LabelConvention::brats2016;
  CHECK(prepare_cases(options).cases.at(0).outcome == Outcome::prepared);
  CHECK(PreparedFile(folder / "out/a.safetensors").info().convention == LabelConvention::brats2016);
}

}  // namespace vox::test
