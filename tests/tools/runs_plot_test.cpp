// voxgrad plot, of folders with the logs of runs.
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

bool has_gnuplot() { return std::system("gnuplot --version >/dev/null 2>&1") == 0; }  // NOLINT

/// A run whose every second epoch was validated.
void make_run(const fs::path& folder, int epochs, double dice) {
  fs::create_directories(folder);
  std::string log;
  for (int e = 1; e <= epochs; ++e) {
    nlohmann::json j{{"type", "epoch"}, {"step", e}, {"epoch", e}, {"train_loss", 1.0 / e}};
    if (e % 2 == 0) {
      j["val_loss"] = 1.5 / e;
      j["dice"] = {{"WT", dice}, {"TC", dice / 2}, {"ET", dice / 4}};
      j["all_background"] = {{"dice", {{"WT", 0}, {"TC", 0}, {"ET", 0}}}};
    }
    log += j.dump() + "\n";
  }
  write_bytes(folder / "log.jsonl", log);
}

Ended plot(const std::string& runs, const fs::path& output) {
  return voxgrad("plot " + runs + " -o " + output.string());
}

}  // namespace

TEST_CASE("several runs and a series become one picture, PNG or SVG, each with its name", "[plot][cli]") {
  if (!has_gnuplot()) {
    WARN("skipped: gnuplot is not installed");
    return;
  }
  const TempFolder folder;
  make_run(folder / "one", 6, 0.5);
  make_run(folder / "it's_odd", 1, 0.9);  // a point, and no validation
  for (int seed = 1; seed <= 3; ++seed) {
    make_run(folder / "series" / ("seed" + std::to_string(seed)), 4, 0.2 * seed);
  }
  const std::string runs =
      (folder / "one").string() + " \"" + (folder / "it's_odd").string() + "\" " + (folder / "series").string() + "/";
  const fs::path svg = folder / "all.svg";
  Ended e = plot(runs, svg);
  INFO(e.output);
  REQUIRE(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("all.svg: 3 curves"));
  const std::string text = read_bytes(svg);
  CHECK_THAT(text, ContainsSubstring("<svg") && ContainsSubstring("</svg>") && ContainsSubstring(">one<") &&
                       ContainsSubstring("s_odd<") && ContainsSubstring(">series (3 runs)<") &&
                       ContainsSubstring("Dice WT") && ContainsSubstring("validation loss"));
  CHECK_THAT(text, ContainsSubstring("fill-opacity") && !ContainsSubstring("not measured"));  // the series' band

  const fs::path png = folder / "alone.png";
  e = plot("\"" + (folder / "it's_odd").string() + "\" --name \"a 'b'\"", png);
  INFO(e.output);
  REQUIRE(e.code == 0);
  CHECK(read_bytes(png).substr(1, 3) == "PNG");
  e = plot("\"" + (folder / "it's_odd").string() + "\" --name \"a 'b'\"", svg);
  CHECK(e.code == 0);
  CHECK_THAT(read_bytes(svg), ContainsSubstring("not measured") && ContainsSubstring("a 'b'"));
}

TEST_CASE("plot says what it cannot draw, and leaves nothing", "[plot][cli]") {
  const TempFolder folder;
  make_run(folder / "run", 2, 0.5);
  make_run(folder / "begun", 0, 0.5);
  fs::create_directories(folder / "empty");
  const auto fails = [&](const std::string& runs, const char* output, int code, const char* says) {
    const Ended e = plot(runs, folder / output);
    INFO(e.output);
    CHECK(e.code == code);
    CHECK_THAT(e.output, ContainsSubstring(says));
    CHECK_FALSE(fs::exists(folder / output));
  };
  const std::string run = (folder / "run").string();
  fails((folder / "empty").string(), "a.png", 2, "holds no run of voxgrad train, and no series");
  fails(run + " " + (folder / "begun").string(), "a.png", 3, "no epoch of it has ended");
  fails(run, "a.pdf", 2, "ends with '.pdf', wants .png or .svg");
  fails(run + " --name a --name b", "a.png", 2, "2 names for 1 runs");
}

}  // namespace vox::test
