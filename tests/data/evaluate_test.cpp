#include "data/scoring/evaluate.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/nifti/nifti.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/nifti_file.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

LabelMap labels(LargeVector<std::uint8_t> values, double x_mm = 0) {
  const auto width = std::ssize(values);
  return {
      .geometry = {.size = {1, 1, width}, .spacing_mm = {1, 1, 2}, .affine = {-2, 0, 0, x_mm, 0, -1, 0, 0, 0, 0, 1, 0}},
      .values = std::move(values)};
}

/// Two cases as label files: one with an enhancing tumour, one without.
struct TwoCases {
  TempFolder root;
  fs::path truth = root / "truth";
  fs::path predicted = root / "predicted";

  TwoCases() {
    fs::create_directories(truth);
    fs::create_directories(predicted);
    write_nifti(truth / "A_seg.nii.gz", labels({0, 1, 2, 4, 4, 0}));
    write_nifti(truth / "B.nii", labels({0, 1, 2, 2, 0, 0}));
    write_nifti(predicted / "A.nii.gz", labels({0, 1, 2, 4, 0, 0}));
    write_nifti(predicted / "B_Seg.nii.gz", labels({0, 1, 2, 2, 0, 4}));
  }

  [[nodiscard]] EvaluateOptions options() const {
    EvaluateOptions o{.truth = truth, .predicted = predicted};
    o.threads = 2;
    return o;
  }
};

std::string refusal(const EvaluateOptions& options) {
  try {
    (void)evaluate(options);
  } catch (const DataError& e) { return e.what(); }
  return "nothing was refused";
}

}  // namespace

TEST_CASE("two cases get the scores that a pencil gives", "[evaluate]") {
  const TwoCases two;
  std::int64_t calls = 0;
  const Evaluation e = evaluate(two.options(), [&](std::int64_t done, std::int64_t all) {
    CHECK(done == ++calls);
    CHECK(all == 2);
  });
  CHECK(calls == 2);
  REQUIRE(e.cases.size() == 2);
  CHECK(e.cases[0].id == "A");
  CHECK(e.cases[0].scores[0].dice == 6.0 / 7);         // WT: 4 and 3 voxels, 3 shared
  CHECK(e.cases[0].scores[2].dice == 2.0 / 3);         // ET: 2 and 1, 1 shared
  CHECK(e.cases[0].scores[2].hd95_mm == Approx(1.8));  // of 0, 0 and 2 mm, rank 1.9
  CHECK(e.cases[1].scores[2].dice == 0);               // found where there is none
  CHECK(e.cases[1].scores[2].hd95_mm == Approx(373.1286641361127));
  CHECK(e.cases[1].baseline[2].dice == 1);
  CHECK(e.mean[2].dice == 1.0 / 3);
  CHECK(e.baseline[2].dice == 0.5);
  CHECK(e.missing.empty());
}

TEST_CASE("a summary and a table hold the same numbers", "[evaluate]") {
  const TwoCases two;
  const Evaluation e = evaluate(two.options());
  const auto json = nlohmann::json::parse(summary_json(e));
  CHECK(json["mean"]["WT"]["dice"].get<double>() == e.mean[0].dice);
  CHECK(json["cases"]["B"]["ET"]["hd95"].get<double>() == e.cases[1].scores[2].hd95_mm);
  CHECK(json["baseline_all_background"]["ET"]["dice"].get<double>() == 0.5);
  CHECK(json["conventions"]["files_by_labels"]["truth"]["brats2020"].get<int>() == 2);
  CHECK(json["mean"]["TC"].size() == 8);
  // 12 voxels, of which 4, 2, 3 and 1 are found as their class 0 to 3: a 3 and a 0 are taken for the other.
  const auto& classes = json["classes"];
  CHECK(classes["all_classes"]["accuracy"].get<double>() == 10.0 / 12);
  CHECK(classes["all_classes"]["iou"].get<double>() == Approx((4.0 / 6 + 1 + 1 + 1.0 / 3) / 4));
  CHECK(classes["foreground"]["recall"].get<double>() == Approx((1 + 1 + 0.5) / 3));
  CHECK(classes["foreground"]["precision"].get<double>() == Approx((1 + 1 + 0.5) / 3));
  CHECK(json["classes_baseline_all_background"]["all_classes"]["accuracy"].get<double>() == 5.0 / 12);
  CHECK(json["classes_baseline_all_background"]["foreground"]["f1"].get<double>() == 0);

  std::istringstream csv(cases_csv(e));
  std::string header;
  std::string row;
  std::getline(csv, header);
  std::getline(csv, row);
  CHECK_THAT(header, ContainsSubstring("case,WT_dice,WT_hd95,") && ContainsSubstring(",ET_accuracy"));
  CHECK(std::count(header.begin(), header.end(), ',') == 24);
  CHECK(std::count(row.begin(), row.end(), ',') == 24);
  CHECK_THAT(row, ContainsSubstring("A,0.857142857"));
}

TEST_CASE("the scores are the same bits on any number of threads", "[evaluate][threads]") {
  const TwoCases two;
  EvaluateOptions options = two.options();
  const std::string several = summary_json(evaluate(options));
  options.threads = 1;
  CHECK(summary_json(evaluate(options)) == several);
}

TEST_CASE("a case without a prediction is an error, or left out and listed", "[evaluate]") {
  const TwoCases two;
  fs::remove(two.predicted / "A.nii.gz");
  write_nifti(two.predicted / "C.nii.gz", labels({0}));
  CHECK_THAT(refusal(two.options()), ContainsSubstring("1 of 2 cases: A") && ContainsSubstring("--allow-missing"));
  EvaluateOptions options = two.options();
  options.allow_missing = true;
  const Evaluation e = evaluate(options);
  CHECK(e.cases.size() == 1);
  CHECK(e.missing == std::vector<std::string>{"A"});
  CHECK(e.extras == std::vector<std::string>{"C.nii.gz"});
  fs::remove(two.predicted / "B_Seg.nii.gz");
  CHECK_THAT(refusal(options), ContainsSubstring("any of the 2 cases"));
}

TEST_CASE("another grid is refused and both files are named", "[evaluate]") {
  const TwoCases two;
  write_nifti(two.predicted / "A.nii.gz", labels({0, 1, 2, 4, 0}));
  write_nifti(two.predicted / "B_Seg.nii.gz", labels({0, 1, 2, 2, 0, 4}, 0.5));
  CHECK_THAT(refusal(two.options()), ContainsSubstring("A_seg.nii.gz") && ContainsSubstring("predicted/A.nii.gz") &&
                                         ContainsSubstring("1x1x6") && ContainsSubstring("1x1x5") &&
                                         ContainsSubstring("B_Seg.nii.gz") && ContainsSubstring("0.5 mm apart") &&
                                         ContainsSubstring("2 of 2 cases"));
}

TEST_CASE("both label conventions are understood, and one can be forced", "[evaluate]") {
  const TwoCases two;
  write_nifti(two.predicted / "A.nii.gz", labels({0, 1, 2, 3, 3, 0}));
  const Evaluation e = evaluate(two.options());
  CHECK(e.cases[0].scores[2].dice == 1);
  CHECK(e.cases[0].predicted_labels == LabelConvention::brats2023);
  EvaluateOptions options = two.options();
  options.labels = LabelConvention::brats2020;
  CHECK_THAT(refusal(options), ContainsSubstring("predicted/A.nii.gz"));
}

TEST_CASE("two label files of one case are refused", "[evaluate]") {
  const TwoCases two;
  write_nifti(two.predicted / "A_seg.nii.gz", labels({0, 1, 2, 4, 0, 0}));
  CHECK_THAT(refusal(two.options()), ContainsSubstring("two label files for case A"));
}

TEST_CASE("folders that are not what they should be are refused", "[evaluate]") {
  const TwoCases two;
  EvaluateOptions options = two.options();
  options.predicted = two.root / "nowhere";
  CHECK_THAT(refusal(options), ContainsSubstring("nowhere: no such file"));
  options.predicted = two.truth / "B.nii";
  CHECK_THAT(refusal(options), ContainsSubstring("one file"));
  fs::create_directories(two.root / "empty");
  options.predicted = two.root / "empty";
  CHECK_THAT(refusal(options), ContainsSubstring("no label file"));
}

TEST_CASE("two files and a folder of BraTS cases can be compared as well", "[evaluate]") {
  const TwoCases two;
  EvaluateOptions options = two.options();
  options.truth = two.truth / "A_seg.nii.gz";
  options.predicted = two.predicted / "A.nii.gz";
  CHECK(evaluate(options).cases.at(0).scores[0].dice == 6.0 / 7);

  const fs::path folder = two.root / "cases" / "A";
  fs::create_directories(folder);
  for (const char* image : {"flair", "t1", "t1ce", "t2"}) {
    write_nifti(folder / ("A_" + std::string(image) + ".nii.gz"), labels({0, 9, 9, 9, 9, 9}));
  }
  fs::copy(two.truth / "A_seg.nii.gz", folder / "A_seg.nii.gz");
  options = two.options();
  for (const fs::path& truth : {folder, folder.parent_path()}) {
    options.truth = truth;
    const Evaluation e = evaluate(options);
    CHECK(e.cases.at(0).scores[0].dice == 6.0 / 7);
    CHECK(e.extras == std::vector<std::string>{"B_Seg.nii.gz"});
  }
}

TEST_CASE("a flat folder of cases with capitals in their names is a truth, and so are predictions named so",
          "[evaluate]") {
  const TempFolder root;
  fs::create_directories(root / "raw");
  for (const char* id : {"Pat-A", "Pat-B"}) {
    for (const char* image : {"T1", "T1CE", "T2", "FLAIR"}) {
      write_nifti(root / fmt::format("raw/{}_{}.nii.gz", id, image), labels({0, 9, 9, 9, 9, 9}));
    }
    write_nifti(root / fmt::format("raw/{}_Seg.nii.gz", id), labels({0, 1, 2, 4, 4, 0}));
  }
  fs::create_directories(root / "out");
  write_nifti(root / "out/Pat-A_Seg.nii.gz", labels({0, 1, 2, 4, 0, 0}));
  write_nifti(root / "out/x.nii.gz", labels({0, 1, 2, 4, 4, 0}));
  fs::rename(root / "out/x.nii.gz", root / "out/Pat-B.NII.GZ");
  const Evaluation e = evaluate({.truth = root / "raw", .predicted = root / "out"});
  REQUIRE(e.cases.size() == 2);
  CHECK(e.cases[0].id == "Pat-A");
  CHECK(e.cases[0].scores[2].dice == 2.0 / 3);
  CHECK(e.cases[1].scores[2].dice == 1);
  CHECK(e.extras.empty());
}

TEST_CASE("a 4 under a name of BraTS 2023 or later is no enhancing tumour until --labels says so", "[evaluate]") {
  const TempFolder root;
  fs::create_directories(root / "truth");
  fs::create_directories(root / "predicted");
  write_nifti(root / "truth/BraTS-GLI-00005-100-seg.nii.gz", labels({0, 2, 2, 4, 4, 0}));
  write_nifti(root / "predicted/BraTS-GLI-00005-100.nii.gz", labels({0, 2, 2, 0, 0, 0}));
  EvaluateOptions options{.truth = root / "truth", .predicted = root / "predicted"};
  CHECK_THAT(refusal(options), ContainsSubstring("BT-039") && ContainsSubstring("--labels brats2024") &&
                                   ContainsSubstring("BraTS-GLI-00005-100-seg.nii.gz"));
  options.labels = LabelConvention::brats2024;
  const Evaluation e = evaluate(options);
  for (const RegionScores& region : e.mean) { CHECK(region.dice == 1); }
  options.labels = LabelConvention::brats2020;
  CHECK(evaluate(options).cases.at(0).scores[2].dice == 0);
  write_nifti(root / "truth/BraTS-GLI-00005-100-seg.nii.gz", labels({0, 1, 1, 4, 4, 0}));
  write_nifti(root / "predicted/BraTS-GLI-00005-100.nii.gz", labels({0, 3, 3, 2, 2, 0}));
  options.labels = LabelConvention::brats2024_ped;  // 1 enhancing, 4 oedema
  options.predicted_labels = LabelConvention::brats2023;
  const Evaluation children = evaluate(options);
  for (const RegionScores& region : children.mean) { CHECK(region.dice == 1); }
}

TEST_CASE("distances are in mm whatever the unit of the files", "[evaluate]") {
  for (const auto& [unit, mm] : {std::pair{1, 1e3}, {2, 1.0}, {3, 1e-3}, {0, 1.0}}) {
    CAPTURE(unit);
    const TempFolder root;
    for (const auto& [file, voxel] : {std::pair{"truth.nii", 8}, {"predicted.nii", 11}}) {
      std::vector<std::uint8_t> values(20 * 20 * 20);
      values[static_cast<std::size_t>((10 * 20 + 10) * 20 + voxel)] = 4;
      auto f = nifti_file<nifti_1_header, std::uint8_t>({20, 20, 20}, values);
      const auto edge = static_cast<float>(1 / mm);  // of 1 mm
      f.header.srow_x[0] = f.header.srow_y[1] = -edge;
      f.header.srow_y[3] = 19 * edge;
      f.header.srow_z[2] = edge;
      f.header.xyzt_units = static_cast<char>(unit | NIFTI_UNITS_SEC);
      write_bytes(root / file, f.bytes());
    }
    const Evaluation e = evaluate({.truth = root / "truth.nii", .predicted = root / "predicted.nii"});
    CHECK(e.cases.at(0).scores[2].hd95_mm == Approx(3).epsilon(1e-6));
    CHECK(e.cases[0].unit_unknown == (unit == 0));
  }
}

TEST_CASE("headers that rounding set apart are in the same place, and a quarter of a millimetre is not", "[evaluate]") {
  const TempFolder root;
  const auto write = [&](const char* file, double sine, double shift) {
    LabelMap map{.geometry = {.size = {192, 256, 192}, .spacing_mm = {1, 0.976562, 0.976562}, .affine = {}},
                 .values = LargeVector<std::uint8_t>(192 * 256 * 192)};
    map.values[1000] = 4;
    const double cosine = std::sqrt(1 - sine * sine);
    map.geometry.affine = {
        -0.976562 * cosine, -0.976562 * sine, 0, shift, 0.976562 * sine, -0.976562 * cosine, 0, 239, 0, 0, 1, 0};
    write_nifti(root / file, map);
  };
  write("a.nii.gz", 0.001745, 0);
  write("b.nii.gz", 0.001827, 0);  // 0.0255 mm at the corners
  CHECK(evaluate({.truth = root / "a.nii.gz", .predicted = root / "b.nii.gz"}).cases.at(0).scores[2].dice == 1);
  write("b.nii.gz", 0.001827, 0.25);
  CHECK_THAT(refusal({.truth = root / "a.nii.gz", .predicted = root / "b.nii.gz"}),
             ContainsSubstring("lie in different places") && ContainsSubstring("wants 0.1 mm or less"));
}

TEST_CASE("a real truth against itself is perfect", "[evaluate][data]") {
  const auto data = real_data("brats");
  if (!data) { return; }
  const fs::path id = "Brats18_2013_3_1";
  const fs::path file = *data / id / (id.string() + "_seg.nii.gz");
  EvaluateOptions options{.truth = file, .predicted = file};
  options.threads = 2;
  const Evaluation e = evaluate(options);
  for (const RegionScores& s : e.mean) {
    CHECK(s.dice == 1);
    CHECK(s.hd95_mm == 0);
    CHECK(s.accuracy == 1);
  }
  CHECK(e.baseline[0].dice == 0);
}

namespace {

/// How many voxels of a region the prediction has, or the truth.
Convention counting() {
  Convention c;
  c.name = "counting";
  c.about = "of this test";
  c.regions = {kTumourCore, kNonEnhancing, kResectionCavity, kCystic};
  c.scores = {{"truth", "truth", "voxels", Better::neither, "counts", ""},
              {"found", "found", "voxels", Better::neither, "counts", ""}};
  c.score = [](ScoredCase& scored, const ScoredRegion& region, std::span<double> out) {
    const BinaryCounts& n = scored.masks(region).counts;
    out[0] = static_cast<double>(n.tp + n.fn);
    out[1] = static_cast<double>(n.tp + n.fp);
  };
  return c;
}

}  // namespace

TEST_CASE("conventions see cavities and cysts of the files, or that their labels have none", "[evaluate]") {
  const TwoCases two;
  write_nifti(two.truth / "A_seg.nii.gz", labels({0, 1, 2, 3, 4, 4}));
  write_nifti(two.predicted / "A.nii.gz", labels({0, 1, 2, 3, 4, 0}));
  write_nifti(two.truth / "B.nii", labels({0, 1, 2, 3, 0, 0}));
  write_nifti(two.predicted / "B_Seg.nii.gz", labels({0, 0, 2, 3, 0, 0}));
  const Convention c = counting();
  EvaluateOptions options = two.options();
  options.as = {&c};
  struct Row {
    LabelConvention labels;
    ScoreTable wants;  // of A: TC, NETC, RC, CC
    double b_found;    // TC of B
  };
  const double none = std::numeric_limits<double>::quiet_NaN();
  for (const Row& row : {Row{LabelConvention::brats2024, {{2, 2}, {1, 1}, {2, 1}, {none, none}}, 1},
                         Row{LabelConvention::brats2024_ped, {{3, 3}, {1, 1}, {none, none}, {1, 1}}, 2}}) {
    options.labels = row.labels;
    const Evaluation e = evaluate(options);
    REQUIRE(e.as.size() == 1);
    for (std::size_t r = 0; r < 4; ++r) {
      for (std::size_t s = 0; s < 2; ++s) {
        CAPTURE(name(row.labels), r, s);
        const double got = e.as[0].cases[0][r][s];
        CHECK((got == row.wants[r][s] || (std::isnan(got) && std::isnan(row.wants[r][s]))));
      }
    }
    CHECK(e.as[0].baselines[0][0][1] == 0);
    CHECK(e.as[0].baselines[0][0][0] == row.wants[0][0]);
    CHECK_THAT(cases_csv(e), ContainsSubstring("counting:RC_found"));
    const auto json = nlohmann::json::parse(summary_json(e));
    CHECK(json["as"]["counting"]["cases"]["B"]["TC"]["found"].get<double>() == row.b_found);
    CHECK(json["as"]["counting"]["mean_over"].get<std::string>() == "all cases");
    CHECK(json["differences"].empty());
  }
}

}  // namespace vox::test
