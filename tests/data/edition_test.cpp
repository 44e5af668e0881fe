#include "data/cases/edition.h"

#include "data/nifti/nifti.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

LabelCounts counts(const std::vector<std::size_t>& present) {
  LabelCounts voxels{};
  for (const std::size_t label : present) { voxels[label] = 7; }
  return voxels;
}

/// What is decided for a label file called ID_seg, or ID-seg: the convention, "refused" or "unknown".
std::string decided(const std::string& id, bool hyphenated, const std::vector<std::size_t>& present,
                    const LabelRules& rules = {}) {
  const LabelDecision d = decide_labels(family_of(id, hyphenated), id, counts(present), rules);
  CHECK_FALSE(d.reason.empty());
  CHECK_FALSE((d.unknown && d.convention));
  return d.convention ? std::string(name(*d.convention)) : d.unknown ? "unknown" : "refused";
}

}  // namespace

TEST_CASE("names that say nothing leave it to the labels", "[edition]") {
  CHECK(decided("a", false, {0}) == "brats2020");
  CHECK(decided("a", false, {0, 1, 2}) == "brats2020");
  CHECK(decided("a", false, {0, 4}) == "brats2020");
  CHECK(decided("Pat-A", false, {0, 1, 2, 4}) == "brats2020");
  CHECK(decided("a", false, {0, 1, 2, 3}) == "brats2023");
  CHECK(decided("a", false, {0, 3, 4}) == "refused");
  CHECK(decided("a", false, {0, 5}) == "unknown");
  CHECK(decided("a", false, {0, 255}) == "unknown");
  const LabelRules mixed{.asked = {}, .mixed = true};  // some other file of the folder holds 3 and 4
  CHECK(decided("a", false, {0, 1, 4}, mixed) == "refused");
  CHECK(decided("a", false, {0, 1, 3}, mixed) == "refused");
  CHECK(decided("a", false, {0, 1, 2}, mixed) == "brats2020");
  CHECK(decided("BraTS20_Training_001", false, {0, 1, 4}, mixed) == "brats2020");
}

TEST_CASE("names of editions decide, and a 4 under a name of 2023 or later is never enhancing by guess", "[edition]") {
  for (const char* id : {"Brats17_CBICA_AAB_1", "Brats18_2013_3_1", "BraTS19_CBICA_ANG_1", "BraTS20_Training_001",
                         "BraTS2021_00000", "FeTS2022_00000", "UCSF-PDGM-0004", "UPENN-GBM-00001_11"}) {
    CAPTURE(id);
    CHECK(decided(id, false, {0, 1, 2, 4}) == "brats2020");
    CHECK(decided(id, false, {0, 1, 2, 3}) == "brats2023");  // somebody renamed the 4
    CHECK(decided(id, false, {0, 3, 4}) == "refused");
  }
  for (const char* id : {"BraTS-GLI-00005-100", "BraTS-GLI-00005-000", "BraTS-SSA-00002-000", "BraTS-MEN-00001-000",
                         "BraTS-MET-00001-000", "BraTS-GoAT-00001", "brats-gli-00005-100"}) {
    for (const bool hyphenated : {true, false}) {  // ID-seg, and ID alone as predictions are called
      CAPTURE(id, hyphenated);
      CHECK(decided(id, hyphenated, {0, 1, 2, 3}) == "brats2023");
      CHECK(decided(id, hyphenated, {0, 2}) == "brats2023");
      CHECK(decided(id, hyphenated, {0, 2, 4}) == "refused");
      CHECK(decided(id, hyphenated, {0, 1, 2, 3, 4}) == "refused");
      CHECK(decided(id, hyphenated, {0, 7}) == "unknown");
    }
  }
  CHECK(decided("site7", true, {0, 2, 4}) == "refused");
  CHECK(decided("site7", true, {0, 2, 3}) == "brats2023");
  for (const std::vector<std::size_t>& present : std::vector<std::vector<std::size_t>>{{1}, {1, 2, 3}, {1, 2, 3, 4}}) {
    CHECK(decided("BraTS-PED-00001-000", true, present) == "refused");
    CHECK(decided("BraTS-MEN-RT-0001-1", false, present) == "refused");
  }
  CHECK(decided("BraTS-PED-00001-000", true, {0}) == "brats2023");
  CHECK(decided("brats_2013_pat0001_1", false, {0, 1, 2, 3, 4}) == "brats2016");
  CHECK(decided("VSD.Brain.XX.O.OT.54193", false, {0, 1, 2, 3}) == "brats2016");
  CHECK(decided("BRATS_001", false, {0, 1, 2, 3}) == "msd");
  CHECK(decided("BRATS_0011", false, {0, 1, 2, 3}) == "brats2023");
}

TEST_CASE("the message of a refusal names the flag that settles it", "[edition]") {
  const auto reason = [](const std::string& id, const std::vector<std::size_t>& present) {
    return decide_labels(family_of(id, true), id, counts(present), {}).reason;
  };
  CHECK_THAT(reason("BraTS-GLI-00005-100", {2, 4}),
             ContainsSubstring("label 4 in 7 voxels") && ContainsSubstring("--labels brats2024 (1 necrotic"));
  CHECK_THAT(reason("BraTS-PED-00001-000", {1, 4}), ContainsSubstring("--labels brats2024-ped (1 enhancing"));
  CHECK_THAT(reason("BraTS-PED-00001-000", {1, 3}), ContainsSubstring("--labels brats2023"));
}

TEST_CASE("labels that were asked for decide alone, and what their edition does not have is refused", "[edition]") {
  const auto asked = [](LabelConvention c, const std::vector<std::size_t>& present) {
    return decided("BraTS-GLI-00005-100", true, present, {.asked = c, .mixed = true});
  };
  CHECK(asked(LabelConvention::brats2024, {0, 1, 2, 3, 4}) == "brats2024");
  CHECK(asked(LabelConvention::brats2020, {0, 1, 2, 4}) == "brats2020");
  CHECK(asked(LabelConvention::brats2020, {0, 3}) == "unknown");
  CHECK(asked(LabelConvention::msd, {0, 4}) == "unknown");
  CHECK(asked(LabelConvention::brats2024_ped, {0, 5}) == "unknown");
  CHECK_FALSE(labels_option("auto").has_value());
  for (const LabelConvention c : kLabelConventions) { CHECK(labels_option(std::string(name(c))) == c); }
  CHECK_THROWS_WITH(labels_option("brats1066"), ContainsSubstring("brats2020") && ContainsSubstring("brats1066"));
}

TEST_CASE("labels become classes and back, in every edition", "[edition]") {
  using enum LabelConvention;
  const std::vector<std::pair<LabelConvention, LargeVector<std::uint8_t>>> want{
      {brats2016, {0, 1, 2, 1, 3}}, {brats2020, {0, 1, 2, 255, 3}},   {brats2023, {0, 1, 2, 3, 255}},
      {brats2024, {0, 1, 2, 3, 0}}, {brats2024_ped, {0, 3, 1, 1, 2}}, {msd, {0, 2, 1, 3, 255}}};
  REQUIRE(want.size() == kLabelConventions.size());
  for (const auto& [convention, classes] : want) {
    CAPTURE(name(convention));
    for (std::uint8_t label = 0; label < 8; ++label) {
      LargeVector<std::uint8_t> values{label};
      if (label >= classes.size() || classes[label] == 255) {
        CHECK_FALSE(class_of(convention, label).has_value());
        CHECK_THROWS_AS(to_classes(values, convention, "seg"), DataError);
      } else {
        to_classes(values, convention, "seg");
        CHECK(values[0] == classes[label]);
      }
    }
    for (std::uint8_t cls = 0; cls < kClasses; ++cls) {
      LargeVector<std::uint8_t> values{cls};
      to_labels(values, convention);
      to_classes(values, convention, "seg");
      CHECK(values[0] == cls);
    }
  }
  LargeVector<std::uint8_t> wrong{4};
  CHECK_THROWS_AS(to_labels(wrong, brats2020), Error);
  CHECK(count_labels(LargeVector<std::uint8_t>{0, 3, 3, 0, 255}) == [] {
    LabelCounts c{};
    c[0] = c[3] = 2;
    c[255] = 1;
    return c;
  }());
}

TEST_CASE("what predict writes for a name is read as the same again", "[edition]") {
  for (const auto& [id, hyphenated] : {std::pair{"a", false},
                                       {"BraTS20_Training_001", false},
                                       {"x", true},
                                       {"BraTS-GLI-00005-100", true},
                                       {"BRATS_001", false}}) {
    CAPTURE(id);
    const LabelConvention written = convention_for_output(family_of(id, hyphenated));
    LargeVector<std::uint8_t> values{0, 1, 2, 3};
    to_labels(values, written);
    CHECK(decided(id, false, {values.begin(), values.end()}) == name(written));
  }
}

TEST_CASE("one file with 3 and 4 unsettles the others of its folder", "[edition]") {
  const TempFolder folder;
  const auto write = [&](const std::string& id, LargeVector<std::uint8_t> values) {
    const auto width = std::ssize(values);
    write_nifti(folder / (id + "_seg.nii"), LabelMap{.geometry = {.size = {1, 1, width},
                                                                  .spacing_mm = {1, 1, 1},
                                                                  .affine = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0}},
                                                     .values = std::move(values)});
  };
  const auto mixed = [&](std::optional<LabelConvention> asked = {}) {
    return label_rules(asked, find_label_files(folder.path()), 2).mixed;
  };
  write("a", {0, 1, 2, 3});
  write("b", {0, 1, 2, 4});
  CHECK_FALSE(mixed());
  write("BraTS2021_00001", {0, 3, 4});  // its own name settles nothing for the others
  CHECK_FALSE(mixed());
  write_bytes(folder / "broken_seg.nii", "no image");
  CHECK_FALSE(mixed());
  write("c", {0, 3, 4, 0});
  CHECK(mixed());
  CHECK_FALSE(mixed(LabelConvention::brats2016));
}

}  // namespace vox::test
