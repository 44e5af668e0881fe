#include "tools/ui/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tools/ui/gnuplot.h"
#include "tools/ui/output.h"

namespace vox::test {
namespace {

std::vector<EpochRow> rows(std::int64_t epochs) {
  std::vector<EpochRow> result;
  for (std::int64_t e = 1; e <= epochs; ++e) {
    const auto x = static_cast<double>(e);
    result.push_back({.epoch = e,
                      .train_loss = 1 / x,
                      .validation_loss = e % 3 == 0 ? 1.2 / x : std::nan(""),
                      .dice = {1 - 1 / x, 1 - 1.1 / x, 1 - 1.2 / x},
                      .learning_rate = 1e-3 / x});
  }
  return result;
}

bool has_gnuplot() { return std::system("gnuplot --version >/dev/null 2>&1") == 0; }  // NOLINT

}  // namespace

TEST_CASE("learning curves become a PNG, in any folder and from one epoch on", "[plot]") {
  if (!has_gnuplot()) {
    WARN("skipped: gnuplot is not installed");
    return;
  }
  const TempFolder folder;
  const std::filesystem::path odd = folder / "it's \"odd\" $HOME";
  std::filesystem::create_directories(odd);
  for (const std::int64_t epochs : {1, 2, 30}) {
    plot_training(odd / "progress.png", rows(epochs));
    const std::string png = read_bytes(odd / "progress.png");
    REQUIRE(png.size() > 5000);
    CHECK(png.substr(1, 3) == "PNG");
    CHECK(png.substr(png.size() - 8, 4) == "IEND");
  }
  CHECK(std::distance(std::filesystem::directory_iterator(odd), std::filesystem::directory_iterator()) == 1);
}

TEST_CASE("without gnuplot, or without a folder to write to, training goes on, and the latter is known at the end",
          "[plot]") {
  const TempFolder folder;
  plot_training(folder / "none.png", {});
  CHECK_NOTHROW(plot_training(folder / "no-such-folder" / "progress.png", rows(3)));
  const std::vector<std::string> failed = finish_output();
  const auto is_named = [&](const std::string& message) {
    return message ==
           (folder / "no-such-folder" / "progress.png").string() + ": cannot be written: No such file or directory";
  };
  CHECK(std::ranges::any_of(failed, is_named) == has_gnuplot());
  const char* const set = std::getenv("PATH");
  REQUIRE(set != nullptr);
  const std::string path = set;
  setenv("PATH", "/nowhere", 1);
  plot_training(folder / "progress.png", rows(3));
  setenv("PATH", path.c_str(), 1);
  CHECK(finish_output() == failed);  // no gnuplot is no output that failed
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("what gnuplot ends by is told", "[plot]") {
  const TempFolder folder;
  const char* const set = std::getenv("PATH");
  REQUIRE(set != nullptr);
  const std::string path = set;
  const auto wrong_of = [&](const std::string& script) {
    write_bytes(folder / "gnuplot", "#!/bin/sh\n" + script);
    std::filesystem::permissions(folder / "gnuplot", std::filesystem::perms::owner_all);
    setenv("PATH", (folder.path().string() + ":" + path).c_str(), 1);
    const Drawn drawn = run_gnuplot("plot x\n");
    setenv("PATH", path.c_str(), 1);
    CHECK(drawn.picture.empty());
    return drawn.wrong;
  };
  CHECK(wrong_of("kill -9 $$\n") == "gnuplot ended by signal 9 (Killed): perhaps there is no memory");
  CHECK(wrong_of("echo '  line 3:  no such   word' >&2; exit 1\n") == "gnuplot failed:  line 3: no such word ");
}

}  // namespace vox::test
