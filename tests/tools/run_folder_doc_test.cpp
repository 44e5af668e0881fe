// docs/run-folder.md says what a run's folder holds: the files, and each field of its log.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "engine/json.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/training_run.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

/// The names in backticks at the beginning of a table's rows, by the heading before it.
std::map<std::string, Names> documented() {
  std::map<std::string, Names> all;
  std::string heading;
  std::ifstream in(fs::path(VOX_SOURCE_DIR) / "docs" / "run-folder.md");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("#")) { heading = line.substr(line.find(' ') + 1); }
    if (line.starts_with("| `")) { all[heading].insert(line.substr(3, line.find('`', 3) - 3)); }
  }
  return all;
}

/// The fields of a run's lines, by type.
std::map<std::string, Names> logged(const fs::path& run) {
  std::map<std::string, Names> all;
  std::ifstream in(run / "log.jsonl");
  for (std::string line; std::getline(in, line);) {
    const Json j = Json::parse(line);
    for (const auto& [key, value] : j.items()) { all[j.at("type").get<std::string>()].insert(key); }
  }
  return all;
}

}  // namespace

TEST_CASE("a fresh run's folder and log hold what docs/run-folder.md says, and nothing else", "[training][cli]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  const Ended e = voxgrad("train --widths 1 1 1 --epochs 1 --threads 1 --folds 3 -i " + (folder / "cache").string() +
                          " -o " + (folder / "run").string());
  INFO(e.output);
  REQUIRE(e.code == 0);
  const auto docs = documented();
  const auto log = logged(folder / "run");
  CHECK(log.size() == 3);
  for (const auto& [type, fields] : log) {
    INFO(type);
    CHECK(fields == docs.at(type));
  }
  Names files = docs.at("The folder of a training run");
  CHECK(files.erase("stop") == 1);
  CHECK(files.erase(".lock") == 1);  // while it runs
  Names found;
  for (const auto& entry : fs::directory_iterator(folder / "run")) { found.insert(entry.path().filename().string()); }
  if (!found.contains("progress.png")) { files.erase("progress.png"); }  // no gnuplot
  CHECK(found == files);
}

}  // namespace vox::test
