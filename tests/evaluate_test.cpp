#include "data/evaluate.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/nifti.h"
#include "kernels/check.h"
#include "tests/catch.h"
#include "tests/files.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

LabelMap labels(std::vector<std::uint8_t> values, double x_mm = 0) {
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
    write_nifti(predicted / "B-seg.nii.gz", labels({0, 1, 2, 2, 0, 4}));
  }

  [[nodiscard]] EvaluateOptions options() const {
    return {.truth = truth, .predicted = predicted, .labels = {}, .allow_missing = false, .threads = 2};
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
  fs::remove(two.predicted / "B-seg.nii.gz");
  CHECK_THAT(refusal(options), ContainsSubstring("any of the 2 cases"));
}

TEST_CASE("another grid is refused and both files are named", "[evaluate]") {
  const TwoCases two;
  write_nifti(two.predicted / "A.nii.gz", labels({0, 1, 2, 4, 0}));
  write_nifti(two.predicted / "B-seg.nii.gz", labels({0, 1, 2, 2, 0, 4}, 0.5));
  CHECK_THAT(refusal(two.options()), ContainsSubstring("A_seg.nii.gz") && ContainsSubstring("predicted/A.nii.gz") &&
                                         ContainsSubstring("1x1x6") && ContainsSubstring("1x1x5") &&
                                         ContainsSubstring("B-seg.nii.gz") && ContainsSubstring("0.5 mm apart") &&
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
    CHECK(e.extras == std::vector<std::string>{"B-seg.nii.gz"});
  }
}

TEST_CASE("a real truth against itself is perfect", "[evaluate][data]") {
  const auto data = real_data("brats");
  if (!data) { return; }
  const fs::path id = "Brats18_2013_3_1";
  const fs::path file = *data / id / (id.string() + "_seg.nii.gz");
  const Evaluation e = evaluate({.truth = file, .predicted = file, .labels = {}, .allow_missing = false, .threads = 2});
  for (const RegionScores& s : e.mean) {
    CHECK(s.dice == 1);
    CHECK(s.hd95_mm == 0);
    CHECK(s.accuracy == 1);
  }
  CHECK(e.baseline[0].dice == 0);
}

}  // namespace vox::test
