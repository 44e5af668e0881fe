#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/check/check.h"
#include "data/nifti/nifti.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/small_case.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

constexpr Extent3 kSize{16, 16, 16};

/// A network that was trained for one step.
fs::path small_run(const TempFolder& folder, const std::string& recipe) {
  for (const char* id : {"a1", "a2", "a3"}) { write_case(folder / "train", id, kSize); }
  REQUIRE(voxgrad("prepare --size 16 --recipe " + recipe + " -i " + quoted(folder / "train") + " -o " +
                  quoted(folder / "cache"))
              .code == 0);
  REQUIRE(voxgrad("train --epochs 1 --folds 3 --widths 4 4 4 4 4 -i " + quoted(folder / "cache") + " -o " +
                  quoted(folder / "run"))
              .code == 0);
  return folder / "run";
}

}  // namespace

TEST_CASE("predict segments the sound cases, and says of the others what check says", "[cli][predict]") {
  const TempFolder folder;
  const fs::path run = small_run(folder, "zscore");
  REQUIRE(voxgrad("synth --cases 2 --size 48,48,32 --plant-faults -o " + quoted(folder / "raw")).code == 0);
  const CheckReport checked = check_cases({.input = folder / "raw", .labels = {}, .mask_suffix = {}, .threads = 2});
  const Ended e =
      voxgrad("predict -m " + quoted(run) + " -i " + quoted(folder / "raw") + " -o " + quoted(folder / "out"));
  CAPTURE(e.output);
  CHECK(e.code == 3);
  for (const CaseCheck& c : checked.cases) {
    bool stopped = false;
    for (const Finding& f : c.findings) {
      const bool of_labels =
          f.file.filename().string().find("seg") != std::string::npos;  // which predict does not read
      const bool stops = (code_of(f.check).severity == Severity::error && !of_labels) ||
                         f.check == Check::brain_fills_volume;  // of the recipe zscore
      stopped = stopped || stops;
      if (stops) {
        CHECK_THAT(e.output, ContainsSubstring(c.id + ": ") && ContainsSubstring(describe(f).substr(0, 30)));
      }
    }
    CAPTURE(c.id);
    CHECK(fs::exists(folder / "out" / (c.id + ".nii.gz")) == !stopped);
  }
  CHECK_THAT(e.output, ContainsSubstring("note: Synth_BT-013: BT-013 unit of length not named"));
}

TEST_CASE("predict goes on with what --allow lifts, and writes the numbers of the case's edition", "[cli][predict]") {
  const TempFolder folder;
  const fs::path run = small_run(folder, "seed");
  const CaseFiles files = write_case(folder / "in", "a", kSize);
  Image moved = brain(kSize, 3);
  moved.geometry.affine = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  write_nifti(files.image(Modality::flair), moved);
  const std::string predict =
      "predict -m " + quoted(run) + " -i " + quoted(folder / "in") + " -o " + quoted(folder / "out");
  const Ended refused = voxgrad(predict);
  CHECK(refused.code == 3);
  CHECK_THAT(refused.output, ContainsSubstring("a: BT-011 place differs within the case") &&
                                 ContainsSubstring("0 of 1 cases segmented"));
  CHECK_FALSE(fs::exists(folder / "out/a.nii.gz"));
  const Ended allowed = voxgrad(predict + " --allow BT-011");
  CHECK(allowed.code == 0);
  CHECK_THAT(allowed.output, ContainsSubstring("note: a: BT-011") && ContainsSubstring("labels as in brats2020"));
  CHECK(fs::exists(folder / "out/a.nii.gz"));
  CHECK(voxgrad(predict + " --allow BT-001").code == 2);
  CHECK(voxgrad(predict + " --allow BT-011 --labels brats1066").code == 2);

  fs::create_directories(folder / "new");
  const std::array<const char*, 4> endings{"t1n", "t1c", "t2w", "t2f"};
  for (std::uint32_t m = 0; m < 4; ++m) {
    write_nifti(folder / "new" / fmt::format("BraTS-GLI-00001-000-{}.nii", endings.at(m)), brain(kSize, m));
  }
  const std::string newer = "predict -m " + quoted(run) + " -i " + quoted(folder / "new") + " -o ";
  CHECK_THAT(voxgrad(newer + quoted(folder / "out")).output, ContainsSubstring("labels as in brats2023"));
  REQUIRE(voxgrad(newer + quoted(folder / "out4") + " --labels brats2020").code == 0);
  const auto file = "BraTS-GLI-00001-000.nii.gz";
  const auto three = read_nifti_labels(folder / "out" / file).labels.values;
  const auto four = read_nifti_labels(folder / "out4" / file).labels.values;
  CHECK(std::ranges::count(three, 4) == 0);
  CHECK(std::ranges::count(four, 3) == 0);
  CHECK(std::ranges::count(three, 3) == std::ranges::count(four, 4));
}

TEST_CASE("overlay, evaluate, check and prepare refuse a resection cavity until --labels names it", "[cli][edition]") {
  const TempFolder folder;
  const std::string id = "BraTS-GLI-00005-100";
  const CaseFiles old = write_case(folder / "old", "a", kSize);
  const fs::path in = folder / "in";
  fs::create_directories(in);
  for (const auto& [from, to] :
       {std::pair{"t1", "t1n"}, {"t1ce", "t1c"}, {"t2", "t2w"}, {"flair", "t2f"}, {"seg", "seg"}}) {
    fs::copy_file(folder / "old/a" / fmt::format("a_{}.nii", from), in / fmt::format("{}-{}.nii", id, to));
  }
  const std::string seg = quoted(in / (id + "-seg.nii"));
  for (const std::string& command :
       {"check -i " + quoted(in), "prepare --size 16 -i " + quoted(in) + " -o " + quoted(folder / "cache"),
        "overlay -i " + quoted(in) + " -s " + seg + " -o " + quoted(folder / "o.png"),
        "evaluate -g " + quoted(in) + " -p " + quoted(in)}) {
    CAPTURE(command);
    const Ended refused = voxgrad(command);
    CHECK(refused.code == 3);
    CHECK_THAT(refused.output, ContainsSubstring("BT-039") && ContainsSubstring("--labels brats2024"));
    const Ended named = voxgrad(command + " --labels brats2024");
    CAPTURE(named.output);
    CHECK(named.code == 0);
    CHECK(voxgrad(command + " --labels brats2016").code == 0);
    CHECK(voxgrad(command + " --labels msd").code == 3);  // which has no 4
  }
}

TEST_CASE("a case whose name is Latin-1 is checked, prepared, trained on, segmented, drawn and scored",
          "[cli][names]") {
  const TempFolder folder;
  const std::string id = "M\xfcller, J";
  for (const std::string& name : {id, std::string("M\xf6ller"), std::string("b")}) {
    write_case(folder / "raw", name, kSize);
  }
  const auto at = [&](const char* name) { return quoted(folder / name); };
  CHECK(nlohmann::json::parse(voxgrad("check --json 2>/dev/null -i " + at("raw")).output)["cases"][0]["id"] ==
        "M\\xf6ller");
  REQUIRE(voxgrad("prepare --size 16 -i " + at("raw") + " -o " + at("cache")).code == 0);
  CHECK_THAT(voxgrad("prepare --size 16 -i " + at("raw") + " -o " + at("cache")).output,
             ContainsSubstring("0 prepared, 3 up to date"));
  const std::string train = "train --folds 3 --widths 4 4 4 4 4 -i " + at("cache") + " -o " + at("run");
  REQUIRE(voxgrad(train + " --epochs 1").code == 0);
  REQUIRE(voxgrad(train + " --epochs 2 --resume").code == 0);
  const Ended predicted = voxgrad("predict -m " + at("run") + " -i " + at("raw") + " -o " + at("out"));
  CAPTURE(predicted.output);
  REQUIRE(predicted.code == 0);
  CHECK(fs::exists(folder / "out" / (id + ".nii.gz")));
  const Ended e =
      voxgrad("evaluate -g " + at("raw") + " -p " + at("out") + " -o " + at("s.json") + " --csv " + at("c.csv"));
  CAPTURE(e.output);
  CHECK(e.code == 0);
  const auto cases = nlohmann::json::parse(read_bytes(folder / "s.json"))["cases"];
  CHECK(cases.size() == 3);
  CHECK(cases.contains("M\\xfcller, J"));
  const std::string csv = read_bytes(folder / "c.csv");
  CHECK_THAT(csv, ContainsSubstring("\n\"M\\xfcller, J\","));
  CHECK(voxgrad("overlay -i " + quoted(folder / "raw" / id) + " -s " + quoted(folder / "out" / (id + ".nii.gz")) +
                " -o " + at("o.png"))
            .code == 0);
}

}  // namespace vox::test
