#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "data/nifti/nifti.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"

namespace vox::test {
namespace {

void write_labels(const std::filesystem::path& file, LargeVector<std::uint8_t> values) {
  const auto width = std::ssize(values);
  write_nifti(file, LabelMap{.geometry = {.size = {1, 1, width},
                                          .spacing_mm = {1, 1, 1},
                                          .affine = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0}},
                             .values = std::move(values)});
}

}  // namespace

TEST_CASE("what was asked for is answered, and the exit code is 0", "[cli]") {
  for (const char* arguments : {"--version", "--help", "evaluate --help", "train --help"}) {
    CHECK(voxgrad(arguments).code == 0);
  }
}

TEST_CASE("what --version prints names the version, the commit and the build, and doctor says the same", "[cli]") {
  const std::string line = voxgrad("--version").output;
  const std::regex wanted(
      R"(voxgrad \d+\.\d+\.\d+ \(commit (unknown|[0-9a-f]{10,40}(\+changes)?), \w+, (g\+\+|clang) [^,]+, CUDA (on|off)\)\n)");
  INFO(line);
  CHECK(std::regex_match(line, wanted));
  const auto json = nlohmann::json::parse(voxgrad("doctor --json").output);
  CHECK_THAT(line, ContainsSubstring(json["version"].get<std::string>() + " (commit " +
                                     json["build"]["commit"].get<std::string>() + ", " +
                                     json["build"]["type"].get<std::string>()));
}

TEST_CASE("wrong usage exits 2 and says what is known", "[cli]") {
  CHECK(voxgrad("").code == 2);
  CHECK(voxgrad("no-such-verb").code == 2);
  const Ended typo = voxgrad("evaluate -g a -p b --trheads 1");
  CHECK(typo.code == 2);
  CHECK_THAT(typo.output, ContainsSubstring("--trheads") && ContainsSubstring("nearest option is --threads"));
  const Ended key = voxgrad("evaluate -g a -p b --set lables=auto");
  CHECK(key.code == 2);
  CHECK_THAT(key.output, ContainsSubstring("'lables' is no option of evaluate; the nearest is 'labels'"));
  CHECK(voxgrad("evaluate -g a -p b --labels brats1066").code == 2);
  CHECK(voxgrad("evaluate -g a").code == 2);
  CHECK(voxgrad("evaluate -g a -p b --config no-such.toml").code == 2);
}

TEST_CASE("data that is not there exits 3 and names it", "[cli]") {
  const TempFolder folder;
  const std::string absent = (folder / "absent").string();
  for (const std::string& arguments :
       {"evaluate -g " + absent + " -p " + absent, "overlay -i " + absent + " -s x -o " + absent + ".png"}) {
    const Ended e = voxgrad(arguments);
    CHECK(e.code == 3);
    CHECK_THAT(e.output, ContainsSubstring(absent));
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("evaluate writes its files when every case was scored, and none otherwise", "[cli]") {
  const TempFolder folder;
  for (const char* place : {"truth", "predicted"}) { std::filesystem::create_directories(folder / place); }
  write_labels(folder / "truth" / "A.nii.gz", {0, 1, 2, 4});
  write_labels(folder / "truth" / "B.nii.gz", {0, 1, 2, 4});
  write_labels(folder / "predicted" / "A.nii.gz", {0, 1, 2, 4});
  const std::string output = (folder / "s.json").string();
  const std::string arguments = "evaluate -g " + (folder / "truth").string() + " --prediction " +
                                (folder / "predicted").string() + " --csv " + (folder / "c.csv").string();
  const Ended missing = voxgrad(arguments + " -o " + output);
  CHECK(missing.code == 3);
  CHECK_THAT(missing.output, ContainsSubstring("no prediction for 1 of 2 cases: B"));
  CHECK_FALSE(std::filesystem::exists(output));
  CHECK_FALSE(std::filesystem::exists(folder / "c.csv"));

  write_bytes(folder / "c.toml", "[evaluate]\nallow-missing = true\noutput = \"" + output + "\"\n");
  const Ended fine = voxgrad(arguments + " --config " + (folder / "c.toml").string());
  CHECK(fine.code == 0);
  CHECK_THAT(fine.output, ContainsSubstring("left out, no prediction: B") && ContainsSubstring("all background") &&
                              ContainsSubstring("brats2020 (enhancing = 4) in 1 file"));
  CHECK(nlohmann::json::parse(read_bytes(output))["mean"]["WT"]["dice"].get<double>() == 1);
  CHECK_THAT(read_bytes(folder / "c.csv"), ContainsSubstring("\nA,1,0,1,"));
}

TEST_CASE("compare sets two folders of predictions side by side, of the same cases", "[cli]") {
  const TempFolder folder;
  for (const char* place : {"truth", "a", "b"}) { std::filesystem::create_directories(folder / place); }
  for (const char* file : {"A.nii.gz", "B.nii.gz"}) {
    write_labels(folder / "truth" / file, {0, 1, 2, 4});
    write_labels(folder / "a" / file, {0, 1, 2, 4});
  }
  write_labels(folder / "b" / "A.nii.gz", {0, 1, 0, 4});
  const std::string output = (folder / "s.json").string();
  const auto compare = [&](const std::string& more) {
    return voxgrad("compare -g " + (folder / "truth").string() + " -o " + output + " " + (folder / "a").string() +
                   more);
  };
  const std::string b = " " + (folder / "b").string();
  CHECK(compare("").code == 2);
  const Ended missing = compare(b);
  CHECK(missing.code == 3);
  CHECK_THAT(missing.output, ContainsSubstring("no prediction for 1 of 2 cases: B"));
  const Ended unequal = compare(b + " --allow-missing");
  CHECK(unequal.code == 3);
  CHECK_THAT(unequal.output,
             ContainsSubstring("has predictions of A, B, and ") && ContainsSubstring("wants the same cases"));
  CHECK_FALSE(std::filesystem::exists(output));

  write_labels(folder / "b" / "B.nii.gz", {0, 1, 2, 4});
  const Ended fine = compare(b);
  CHECK(fine.code == 0);
  CHECK_THAT(fine.output, ContainsSubstring("WT Dice") && ContainsSubstring("p (Wilcoxon)"));
  const auto json = nlohmann::json::parse(read_bytes(output));
  const auto& dice = json["scores"]["WT"]["dice"];  // 1 and 4/5 in one case, 1 and 1 in the other
  CHECK(dice["difference"].get<double>() == Approx(-0.1));
  CHECK((dice["low"].get<double>() == Approx(-0.2) && dice["high"].get<double>() == 0 && dice["p"].get<double>() == 1));
  CHECK((json["cases"].get<int>() == 2 && json["scores"]["ET"].size() == 8));
}

TEST_CASE("tune writes rules that help and leaves out a case without a prediction", "[cli]") {
  const TempFolder folder;
  for (const char* place : {"truth", "predicted"}) { std::filesystem::create_directories(folder / place); }
  write_labels(folder / "truth" / "A.nii.gz", {2, 2, 2, 2, 2, 2, 0, 0, 0});
  write_labels(folder / "truth" / "B.nii.gz", {0, 1, 2, 4});
  write_labels(folder / "predicted" / "A.nii.gz", {2, 2, 2, 2, 2, 2, 0, 0, 2});
  const std::string rules = (folder / "rules.json").string();
  const std::string arguments = "tune --labels brats2020 -g " + (folder / "truth").string() + " -p " +
                                (folder / "predicted").string() + " -o " + rules;
  const Ended fine = voxgrad(arguments);
  CHECK(fine.code == 0);
  CHECK_THAT(fine.output, ContainsSubstring("left out, no prediction: 1 of 2 cases"));
  CHECK_THAT(fine.output, ContainsSubstring("\"keep_largest\":{\"WT\":true}"));
  const auto json = nlohmann::json::parse(read_bytes(rules));
  CHECK(json["keep_largest"]["WT"].get<bool>());
  CHECK(json["tuned"]["cases"].size() == 1);
  CHECK(json["tuned"]["dice_after"]["WT"].get<double>() == 1);
  const std::string predict = "predict -i . -o . -m . --postprocess " + (folder / "none.json").string();
  CHECK(voxgrad(predict).code == 3);
  CHECK_THAT(voxgrad(predict).output, ContainsSubstring("none.json: cannot open"));
  std::filesystem::remove(folder / "predicted" / "A.nii.gz");
  std::filesystem::remove(rules);
  CHECK(voxgrad(arguments).code == 3);
  CHECK_FALSE(std::filesystem::exists(rules));
}

TEST_CASE("doctor passes its self-test and speaks JSON", "[cli]") {
  const Ended e = voxgrad("doctor --json");
  CHECK(e.code == 0);
  const auto json = nlohmann::json::parse(e.output);
  CHECK(json["self_test"].size() >= 1);
  for (const auto& t : json["self_test"]) { CHECK(t["passed"].get<bool>()); }
  CHECK(json["cpu"]["threads"].get<int>() >= 1);
  CHECK(json["libraries"].contains("zlib"));
  CHECK_THAT(voxgrad("doctor").output, ContainsSubstring("self-test"));
}

TEST_CASE("plan says the peak that train then has, and what does not fit exits 4", "[cli][plan]") {
  const TempFolder folder;
  const auto at = [&](const char* name) { return (folder / name).string(); };
  REQUIRE(voxgrad("synth --cases 4 --size 32 32 32 -o " + at("raw")).code == 0);
  REQUIRE(voxgrad("prepare --size 32 -i " + at("raw") + " -o " + at("cache")).code == 0);
  const std::string network = " --widths 4 6 8 8 8 --batch 3 --micro-batch 2 ";
  const std::string train = "train --epochs 1 --folds 4 -i " + at("cache") + " -o " + at("run") + network;

  const Ended refused = voxgrad(train + "--memory 24MiB");
  CHECK(refused.code == 4);
  CHECK_THAT(refused.output, ContainsSubstring("there is 24.0 MiB (--memory); the largest micro-batch that fits is 1: "
                                               "--micro-batch 1"));
  CHECK_FALSE(std::filesystem::exists(folder / "run"));
  CHECK_THAT(voxgrad(train + "--memory 1MiB").output, ContainsSubstring("no micro-batch fits"));
  CHECK(voxgrad(train + "--memory much").code == 2);

  REQUIRE(voxgrad(train).code == 0);
  const std::string log = read_bytes(folder / "run" / "log.jsonl");
  const auto epoch = nlohmann::json::parse(log.substr(log.rfind("{\"type\":\"epoch\"")));
  const Ended planned = voxgrad("plan --json --size 32 --memory 1GiB" + network);
  REQUIRE(planned.code == 0);
  const auto plan = nlohmann::json::parse(planned.output);
  CHECK(plan["training"]["peak_bytes"] == epoch["peak_tensor_bytes"]);
  CHECK(plan["largest_micro_batch"] == 3);
  CHECK(plan["memory_bytes"] == 1 << 30);
  CHECK_THAT(voxgrad("plan --size 32 --memory 1GiB" + network).output,
             ContainsSubstring("activations kept for backward") && ContainsSubstring("at backward of ") &&
                 ContainsSubstring("1.00 GiB (--memory): the largest batch computed at once is "));
  const auto peak_on_gpu = [&](const std::string& memory) {
    const Ended e = voxgrad("plan --json --size 32 --device cuda --memory " + memory + network);
    REQUIRE(e.code == 0);
    return nlohmann::json::parse(e.output)["training"]["peak_bytes"].get<std::size_t>();
  };
  CHECK(peak_on_gpu("1GiB") > peak_on_gpu("1MiB"));  // what there is room for is kept
  CHECK(voxgrad("plan --size 33").code == 2);

  const std::string predict = "predict -m " + at("run") + " -i " + at("raw") + " -o " + at("out");
  const Ended small = voxgrad(predict + " --memory 1MiB");
  CHECK(small.code == 4);
  CHECK_THAT(small.output, ContainsSubstring("segmenting a case of 32^3 takes "));
  CHECK_FALSE(std::filesystem::exists(folder / "out"));
  const Ended timed = voxgrad(predict + " --verbose");
  CHECK(timed.code == 0);
  CHECK_THAT(timed.output, ContainsSubstring("first layer ") && ContainsSubstring(" ms after the start") &&
                               ContainsSubstring("restore ") && ContainsSubstring("4 of 4 cases segmented"));
}

}  // namespace vox::test
