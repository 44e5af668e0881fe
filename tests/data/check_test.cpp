#include "data/check/check.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "data/nifti/nifti.h"
#include "data/synth/phantom.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> codes_of(const CaseCheck& c) {
  std::vector<std::string> codes;
  for (const auto& f : c.findings) { codes.emplace_back(code_of(f.check).code); }
  return codes;
}

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  for (std::size_t at = 1; at < row.size();) {
    const std::size_t end = row.find(" |", at);
    if (end == std::string::npos) { break; }
    cells.push_back(row.substr(at + 1, end - at - 1));
    at = end + 2;
  }
  return cells;
}

Phantom small_phantom() {
  return make_phantom(
      {.size = {32, 48, 48}, .seed = 2, .enhancing = true, .tumour_radius_mm = 36, .tumour_centre_mm = {{22, 4, 14}}});
}

void write_case(const TempFolder& folder, const std::string& id, const Phantom& p) {
  fs::create_directories(folder / id);
  for (const Modality m : kModalities) {
    write_nifti_int16(folder / (id + "/" + id + "_" + std::string(name(m)) + ".nii"),
                      p.images[static_cast<std::size_t>(m)]);
  }
  write_nifti(folder / (id + "/" + id + "_seg.nii"), p.labels);
}

CaseCheck check_one(const Phantom& p) {
  const TempFolder folder;
  write_case(folder, "a", p);
  return check_case(find_cases(folder.path()).at(0));
}

Image& image_of(Phantom& p, Modality m) { return p.images[static_cast<std::size_t>(m)]; }

}  // namespace

TEST_CASE("docs/check-codes.md lists the codes that check has, and no other", "[check]") {
  std::ifstream in(fs::path(VOX_SOURCE_DIR) / "docs/check-codes.md");
  REQUIRE(in);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("| BT-")) { rows.push_back(cells_of(line)); }
  }
  REQUIRE(rows.size() == static_cast<std::size_t>(Check::count_));
  std::set<std::string_view> seen;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const CheckCode& code = code_of(static_cast<Check>(c));
    REQUIRE(rows[c].size() == 5);
    CHECK(rows[c][0] == code.code);
    CHECK(rows[c][1] == name(code.severity));
    CHECK(rows[c][2] == code.title);
    CHECK(rows[c][3].size() > 10);
    CHECK(rows[c][4] == code.advice);
    CHECK(seen.insert(code.code).second);
  }
}

TEST_CASE("A sound case has no finding, and a convention", "[check]") {
  const CaseCheck c = check_one(small_phantom());
  CHECK(codes_of(c) == std::vector<std::string>{});
  CHECK(c.labels == LabelConvention::brats2020);
}

TEST_CASE("An image flipped along any axis is found, and it alone", "[check]") {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    CAPTURE(axis);
    Phantom p = small_phantom();
    Image& image = image_of(p, Modality::flair);
    const Image original = image;
    const auto& n = image.geometry.size;
    for (std::int64_t d = 0; d < n[0]; ++d) {
      for (std::int64_t h = 0; h < n[1]; ++h) {
        for (std::int64_t w = 0; w < n[2]; ++w) {
          const std::int64_t from =
              original.index(axis == 0 ? n[0] - 1 - d : d, axis == 1 ? n[1] - 1 - h : h, axis == 2 ? n[2] - 1 - w : w);
          image.values[static_cast<std::size_t>(image.index(d, h, w))] =
              original.values[static_cast<std::size_t>(from)];
        }
      }
    }
    const CaseCheck c = check_one(p);
    const auto flips = std::count_if(c.findings.begin(), c.findings.end(),
                                     [](const Finding& f) { return f.check == Check::flipped_image; });
    CHECK(flips == 1);
    REQUIRE_FALSE(c.findings.empty());
    CHECK(c.findings.front().check == Check::flipped_image);
    CHECK(c.findings.front().file.filename() == "a_flair.nii");
    const char* const words[] = {"upside down", "front to back", "left to right"};
    CHECK_THAT(c.findings.front().message, ContainsSubstring(words[axis]));
  }
}

TEST_CASE("Grids are compared with what most images have", "[check]") {
  Phantom p = small_phantom();
  image_of(p, Modality::t1).geometry.affine[11] += 0.05;  // below the tolerance
  CHECK(check_one(p).findings.empty());
  image_of(p, Modality::t1).geometry.affine[11] += 0.06;
  const CaseCheck c = check_one(p);
  CHECK(codes_of(c) == std::vector<std::string>{"BT-011"});
  CHECK(c.findings.at(0).file.filename() == "a_t1.nii");  // the first, but not the usual one

  Phantom turned = small_phantom();  // the same origin, another direction: only far corners show it
  image_of(turned, Modality::t2).geometry.affine[1] = 0.01;
  CHECK(codes_of(check_one(turned)) == std::vector<std::string>{"BT-011"});
}

TEST_CASE("Counts in messages are exact", "[check]") {
  Phantom p = small_phantom();
  p.labels.values[0] = 2;
  p.labels.values[1] = 1;
  p.labels.values[5] = 4;
  const auto tumour = std::count_if(p.labels.values.begin(), p.labels.values.end(), [](int l) { return l > 0; });
  const CaseCheck c = check_one(p);
  CHECK(codes_of(c) == std::vector<std::string>{"BT-035"});
  CHECK_THAT(c.findings.at(0).message, ContainsSubstring(fmt::format("3 of {} tumour", tumour)));

  Phantom negative = small_phantom();
  auto& values = image_of(negative, Modality::t2).values;
  int changed = 0;
  for (float& v : values) {
    if (v > 0 && changed < 7) { v = static_cast<float>(-++changed); }
  }
  const CaseCheck n = check_one(negative);
  CHECK(codes_of(n) == std::vector<std::string>{"BT-022"});
  CHECK_THAT(n.findings.at(0).message, ContainsSubstring("7 voxels below 0, the least -7"));
}

TEST_CASE("Several faults of one case are all found, in the order of their codes", "[check]") {
  const TempFolder folder;
  Phantom p = small_phantom();
  std::replace(p.labels.values.begin(), p.labels.values.end(), std::uint8_t{4}, std::uint8_t{9});
  write_case(folder, "a", p);
  fs::remove(folder / "a/a_t1.nii");
  write_bytes(folder / "a/a_t2.nii", "text");
  const CaseCheck c = check_case(find_cases(folder.path()).at(0));
  CHECK(codes_of(c) == std::vector<std::string>{"BT-001", "BT-003", "BT-032"});
  CHECK_FALSE(c.labels.has_value());
}

TEST_CASE("A case with nothing readable in it is a case with findings", "[check]") {
  const TempFolder folder;
  for (const std::string ending : {"t1", "t1ce", "t2", "flair", "seg"}) {
    write_bytes(folder / ("a/a_" + ending + ".nii"), "");
  }
  const CaseCheck c = check_case(find_cases(folder.path()).at(0));
  CHECK(codes_of(c) == std::vector<std::string>(5, "BT-004"));
}

TEST_CASE("The report is the same for any number of threads", "[check]") {
  const TempFolder folder;
  for (const std::string id : {"c", "a", "b"}) { write_case(folder, id, small_phantom()); }
  std::vector<CheckReport> reports;
  std::vector<std::int64_t> done;
  reports.push_back(check_cases({.input = folder.path(),
                                 .labels = {},
                                 .mask_suffix = {},
                                 .threads = 1,
                                 .on_case = [&](std::int64_t n, std::int64_t) { done.push_back(n); }}));
  reports.push_back(check_cases({.input = folder.path(), .labels = {}, .mask_suffix = {}, .threads = 3}));
  CHECK(done == std::vector<std::int64_t>{1, 2, 3});
  for (const auto& report : reports) {
    REQUIRE(report.cases.size() == 3);
    CHECK(report.cases[0].findings.empty());
    CHECK(codes_of(report.cases[1]) == std::vector<std::string>{"BT-041"});
    CHECK_THAT(report.cases[1].findings[0].message, ContainsSubstring("a_t1.nii"));
    CHECK(codes_of(report.cases[2]) == std::vector<std::string>{"BT-041"});
    CHECK(report.count(Severity::warning) == 2);
    CHECK(report.count(Severity::error) == 0);
  }
}

TEST_CASE("The real cases have the findings that are known of them, and no error", "[check][real]") {
  const auto folder = real_data("brats");
  if (!folder) { return; }
  const std::map<std::string, std::vector<std::string>> known{{"BraTS2021_01477", {"BT-034"}},
                                                              {"Brats18_2013_20_1", {"BT-024", "BT-035"}},
                                                              {"Brats18_TCIA03_265_1", {"BT-036"}}};
  for (const auto& files : find_cases(*folder)) {
    const auto want = known.find(files.id);
    if (want == known.end()) { continue; }  // three say as much as sixteen, in a fifth of the time
    CAPTURE(files.id);
    const CaseCheck c = check_case(files);
    CHECK(codes_of(c) == want->second);
    CHECK(c.labels == LabelConvention::brats2020);
  }
}

}  // namespace vox::test
