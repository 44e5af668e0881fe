#include "engine/csv.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/scoring/evaluate.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"

namespace vox::test {
namespace {

/// A line as RFC 4180 reads it.
std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields{""};
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool doubled = quoted && line[i] == '"' && i + 1 < line.size() && line[i + 1] == '"';
    if (doubled) {
      fields.back() += line[i++];
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  CHECK_FALSE(quoted);
  return fields;
}

}  // namespace

TEST_CASE("a CSV field is quoted where RFC 4180 wants it, and only there", "[csv]") {
  for (const char* const plain : {"", "a", "0.5", "a b", "a;b", "M\xC3\xBCller", "'a'"}) {
    CHECK(csv_field(plain) == plain);
  }
  CHECK(csv_field("Smith, John") == "\"Smith, John\"");
  CHECK(csv_field("5\" probe") == "\"5\"\" probe\"");
  CHECK(csv_field("\"") == "\"\"\"\"");
  CHECK(csv_field("a\nb") == "\"a\nb\"");
  CHECK(csv_field("a\rb") == "\"a\rb\"");
  CHECK(csv_field(" a") == "\" a\"");
  CHECK(csv_field("a ") == "\"a \"");
  CHECK(csv_field("M\xFCller") == "M\\xfcller");
  for (const char* const text : {"Smith, John", "5\" probe", "\"", " a ", ",,", "\"\","}) {
    CHECK(fields_of(csv_field(text) + ",x") == std::vector<std::string>{text, "x"});
  }
}

TEST_CASE("a case keeps its column and its scores, whatever bytes its name has", "[csv][evaluate]") {
  const std::vector<std::string> ids{"Smith, John", "M\xFCller", "M\\xfcller", "a\"b"};
  Evaluation e;
  e.cases.resize(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) { e.cases[i].id = ids[i]; }
  const std::string csv = cases_csv(e);
  std::vector<std::vector<std::string>> lines;
  for (std::size_t at = 0; at < csv.size(); at = csv.find('\n', at) + 1) {
    lines.push_back(fields_of(csv.substr(at, csv.find('\n', at) - at)));
  }
  REQUIRE(lines.size() == 1 + ids.size());
  for (const auto& line : lines) { CHECK(line.size() == lines.front().size()); }
  CHECK(lines[1].front() == "Smith, John");
  CHECK(lines[2].front() == "M\\xfcller");
  CHECK(lines[4].front() == "a\"b");
  CHECK(nlohmann::json::parse(summary_json(e)).at("cases").size() == ids.size());
}

TEST_CASE("the tables and files of the bench keep a name with bars, commas and odd bytes in its cell", "[csv][bench]") {
  if (voxgrad("bench --help").output.find("startup") == std::string::npos) {
    WARN("skipped: this build has no bench");
    return;
  }
  const TempFolder folder;
  const std::filesystem::path program = folder / "a|b, \xFC";
  write_bytes(program, "#!/bin/sh\nexit 0\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const std::string files = " --csv " + (folder / "t.csv").string() + " --json " + (folder / "t.json").string();
  const Ended e = voxgrad("bench startup --rounds 1" + files + " -- '" + program.string() + "'");
  CHECK(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("/a\\|b, \xFC") && !ContainsSubstring("a|b"));
  const std::string csv = read_bytes(folder / "t.csv");
  const std::string last = csv.substr(csv.rfind('\n', csv.size() - 2) + 1);
  CHECK(fields_of(last).size() == fields_of(csv.substr(0, csv.find('\n'))).size());
  CHECK(fields_of(last).front() == (folder / "a|b, \\xfc").string());
  const auto rows = nlohmann::json::parse(read_bytes(folder / "t.json")).at("rows");
  CHECK(rows.back().at("command") == (folder / "a|b, \\xfc").string());
  CHECK(voxgrad("bench startup --rounds 1 --json " + (folder / "no" / "t.json").string()).code == 2);
}

}  // namespace vox::test
