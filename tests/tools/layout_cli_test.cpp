#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/cases/dataset.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/small_case.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

void run(const std::string& arguments, const std::string& says = {}) {
  const Ended e = voxgrad(arguments);
  INFO(arguments);
  CAPTURE(e.output);
  REQUIRE(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring(says));
}

}  // namespace

TEST_CASE("Every verb takes cases as nnU-Net and the Decathlon lay them out, and predicts their labels",
          "[cli][layout]") {
  const TempFolder f;
  for (const char* id : {"a1", "a2", "a3"}) { write_case(f / "brats", id, {16, 16, 16}); }
  run("convert --to nnunet -i " + quoted(f / "brats") + " -o " + quoted(f / "nn"), "labels as in msd");
  run("convert --to msd -i " + quoted(f / "nn") + " -o " + quoted(f / "msd"), "3 label files are the input's");
  run("prepare --recipe zscore --size 16 -i " + quoted(f / "msd") + " -o " + quoted(f / "cache"),
      "0 'FLAIR' flair, 1 'T1w' t1, 2 't1gd' t1ce, 3 'T2w' t2");
  run("train --epochs 1 --folds 3 --widths 4 4 4 4 4 -i " + quoted(f / "cache") + " -o " + quoted(f / "run"));
  run("check -i " + quoted(f / "msd"), "layout msd");
  run("predict -i " + quoted(f / "nn/imagesTr") + " -o " + quoted(f / "out") + " -m " + quoted(f / "run"),
      "labels as in msd");
  for (const LabelFile& file : find_label_files(f / "out")) {
    REQUIRE(file.stated);
    CHECK(file.stated->convention == LabelConvention::msd);
  }
  run("evaluate -g " + quoted(f / "nn") + " -p " + quoted(f / "out") + " -o " + quoted(f / "s.json"),
      "labels of the prediction: msd (enhancing = 3) in 3 files");
  run("overlay -i " + quoted(f / "msd") + " --case a2 -s " + quoted(f / "out/a2.nii.gz") + " -o " +
      quoted(f / "o.png"));
  // The same cases as BraTS lays them out score the same, though their numbers are others.
  run("predict -i " + quoted(f / "brats") + " -o " + quoted(f / "out2") + " -m " + quoted(f / "run"),
      "labels as in brats2020");
  run("evaluate -g " + quoted(f / "brats") + " -p " + quoted(f / "out2") + " -o " + quoted(f / "s2.json"));
  const auto mean = [&](const char* file) { return nlohmann::json::parse(read_bytes(f / file)).at("mean"); };
  CHECK(mean("s.json") == mean("s2.json"));
  write_bytes(f / "list.csv", "id,seg\na1,brats/a1/a1_seg.nii\na2,brats/a2/a2_seg.nii\na3,brats/a3/a3_seg.nii\n");
  run("evaluate -g " + quoted(f / "list.csv") + " -p " + quoted(f / "out2") + " -o " + quoted(f / "s3.json"));
  CHECK(mean("s3.json") == mean("s2.json"));
  const Ended e =
      voxgrad("predict -i " + quoted(f / "brats") + " -o " + quoted(f / "out") + " -m " + quoted(f / "run"));
  CHECK(e.code == 3);
  CHECK_THAT(e.output, ContainsSubstring("dataset.json: is there already, of another data set"));
}

TEST_CASE("A folder of two layouts is refused with the option that decides", "[cli][layout][bad_input]") {
  const TempFolder f;
  write_case(f / "set", "a1", {8, 8, 8});
  run("convert --to nnunet -i " + quoted(f / "set") + " -o " + quoted(f / "nn"));
  fs::rename(f / "nn", f / "set/nn");
  for (const char* file : {"imagesTr", "labelsTr", "dataset.json"}) {
    fs::rename(f / "set/nn" / file, f / std::string("set") / file);
  }
  const Ended e = voxgrad("check -i " + quoted(f / "set"));
  CHECK(e.code == 3);
  CHECK_THAT(e.output, ContainsSubstring("--layout nnunet"));
  run("check --layout nnunet -i " + quoted(f / "set"), "1 case");
  run("check --layout brats -i " + quoted(f / "set"), "1 case");
}

}  // namespace vox::test
