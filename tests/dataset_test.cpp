#include "data/dataset.h"

#include <filesystem>

#include "kernels/check.h"
#include "tests/catch.h"
#include "tests/files.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

void touch(const fs::path& path) { write_bytes(path, "x"); }

void touch_case(const fs::path& folder, const std::string& id, const std::string& separator,
                const std::vector<std::string>& endings) {
  for (const auto& ending : endings) { touch(folder / (id + separator + ending)); }
}

const std::vector<std::string> kFive{"flair.nii.gz", "t1.nii.gz", "t1ce.nii.gz", "t2.nii.gz", "seg.nii.gz"};
const std::vector<std::string> kFive2023{"t2f.nii.gz", "t1n.nii.gz", "t1c.nii.gz", "t2w.nii.gz", "seg.nii.gz"};

void check_complete(const CaseFiles& c, const std::string& id, const fs::path& folder) {
  CHECK(c.id == id);
  CHECK(c.folder == folder);
  CHECK(c.note.empty());
  CHECK(c.labels.parent_path() == folder);
  for (const auto& image : c.images) { CHECK(image.parent_path() == folder); }
}

}  // namespace

TEST_CASE("Cases of every edition are found in nested folders, sorted by id", "[dataset]") {
  const TempFolder root;
  touch_case(root / "HGG/Brats18_b", "Brats18_b", "_", kFive);
  touch_case(root / "LGG/Brats18_a", "Brats18_a", "_", kFive);
  touch_case(root / "2023/BraTS-GLI-00005-000", "BraTS-GLI-00005-000", "-", kFive2023);
  touch_case(root / "kaggle/BraTS20_Training_001", "BraTS20_Training_001", "_",
             {"flair.nii", "t1.nii", "t1ce.nii", "t2.nii", "seg.nii"});
  touch(root / "kaggle/name_mapping.csv");
  const auto cases = find_cases(root.path());
  REQUIRE(cases.size() == 4);
  check_complete(cases[0], "BraTS-GLI-00005-000", root / "2023/BraTS-GLI-00005-000");
  check_complete(cases[1], "BraTS20_Training_001", root / "kaggle/BraTS20_Training_001");
  check_complete(cases[2], "Brats18_a", root / "LGG/Brats18_a");
  check_complete(cases[3], "Brats18_b", root / "HGG/Brats18_b");
  CHECK(cases[0].image(Modality::t1).filename() == "BraTS-GLI-00005-000-t1n.nii.gz");
  CHECK(cases[0].image(Modality::t1ce).filename() == "BraTS-GLI-00005-000-t1c.nii.gz");
  CHECK(cases[0].image(Modality::t2).filename() == "BraTS-GLI-00005-000-t2w.nii.gz");
  CHECK(cases[0].image(Modality::flair).filename() == "BraTS-GLI-00005-000-t2f.nii.gz");
  CHECK(cases[1].image(Modality::t1ce).filename() == "BraTS20_Training_001_t1ce.nii");
  CHECK(cases[3].image(Modality::flair).filename() == "Brats18_b_flair.nii.gz");
}

TEST_CASE("A folder that is one case, or holds several side by side, will do", "[dataset]") {
  const TempFolder root;
  touch_case(root.path(), "one", "_", kFive);
  check_complete(find_cases(root.path()).at(0), "one", root.path());
  touch_case(root.path(), "two", "_", kFive);
  REQUIRE(find_cases(root.path()).size() == 2);
  check_complete(find_cases(root.path())[1], "two", root.path());
}

TEST_CASE("Files that are not there leave empty paths", "[dataset]") {
  const TempFolder root;
  touch_case(root / "a", "a", "_", {"t1.nii.gz", "t2.nii.gz"});
  const auto cases = find_cases(root.path());
  REQUIRE(cases.size() == 1);
  CHECK(cases[0].labels.empty());
  CHECK(cases[0].image(Modality::t1ce).empty());
  CHECK(cases[0].image(Modality::flair).empty());
  CHECK_FALSE(cases[0].image(Modality::t2).empty());
}

TEST_CASE("The misnamed labels of BraTS 2020's case 355 are found and noted", "[dataset]") {
  const TempFolder root;
  touch_case(root / "BraTS20_Training_355", "BraTS20_Training_355", "_",
             {"flair.nii", "t1.nii", "t1ce.nii", "t2.nii", "W39.nii"});
  touch(root / "BraTS20_Training_355/W39_1998.09.19_Segm.nii");
  auto cases = find_cases(root.path());
  REQUIRE(cases.size() == 1);
  CHECK(cases[0].labels.filename() == "W39_1998.09.19_Segm.nii");
  CHECK_THAT(cases[0].note, ContainsSubstring("W39_1998.09.19_Segm.nii"));

  touch(root / "BraTS20_Training_355/another_Segm.nii");  // then it is not clear which
  CHECK(find_cases(root.path()).at(0).labels.empty());
}

TEST_CASE("Hidden files, macOS leftovers and links that lead back are passed over", "[dataset]") {
  const TempFolder root;
  touch_case(root / "a", "a", "_", kFive);
  touch_case(root / "a", "._a", "_", kFive);
  touch_case(root / "__MACOSX/a", "a", "_", kFive);
  touch_case(root / ".hidden/a", "a", "_", kFive);
  fs::create_directory_symlink(root.path(), root / "a/up");
  fs::create_directory_symlink(root / "a", root / "b");
  CHECK(find_cases(root.path()).size() == 1);
}

TEST_CASE("What cannot be told apart is refused, naming both", "[dataset]") {
  const TempFolder root;
  touch_case(root / "x/a", "a", "_", kFive);
  touch_case(root / "y/a", "a", "_", kFive);
  CHECK_THROWS_WITH(find_cases(root.path()), ContainsSubstring("x/a") && ContainsSubstring("y/a"));
  const TempFolder other;
  touch_case(other / "a", "a", "_", {"t1.nii", "t1.nii.gz"});
  CHECK_THROWS_WITH(find_cases(other.path()), ContainsSubstring("a_t1.nii.gz") && ContainsSubstring("a_t1.nii'"));
}

TEST_CASE("A folder without cases, a file and nothing at all are refused", "[dataset]") {
  const TempFolder root;
  CHECK_THROWS_WITH(find_cases(root.path()), ContainsSubstring("no case below"));
  touch(root / "t1.nii.gz");
  touch(root / "b_t1n.nii.gz");  // the separator of one edition with the ending of another
  CHECK_THROWS_AS(find_cases(root.path()), DataError);
  CHECK_THROWS_WITH(find_cases(root / "t1.nii.gz"), ContainsSubstring("is a file"));
  CHECK_THROWS_WITH(find_cases(root / "gone"), ContainsSubstring("is not there"));
}

TEST_CASE("The label convention follows from the labels present", "[dataset]") {
  const auto convention = [](const std::vector<std::size_t>& present) {
    std::array<std::int64_t, 256> voxels{};
    for (const std::size_t label : present) { voxels[label] = 1; }
    return convention_of(voxels, "seg");
  };
  CHECK(convention({0}) == LabelConvention::brats2020);
  CHECK(convention({0, 1, 2}) == LabelConvention::brats2020);
  CHECK(convention({0, 4}) == LabelConvention::brats2020);
  CHECK(convention({0, 1, 2, 3}) == LabelConvention::brats2023);
  CHECK_THROWS_AS(convention({3, 4}), DataError);
  CHECK_THROWS_AS(convention({5}), DataError);
  CHECK_THROWS_WITH(convention({0, 255}), ContainsSubstring("255"));
}

TEST_CASE("Labels become classes and classes the labels of BraTS 2020", "[dataset]") {
  std::vector<std::uint8_t> labels{0, 1, 2, 4, 4};
  to_classes(labels, LabelConvention::brats2020, "seg");
  CHECK(labels == std::vector<std::uint8_t>{0, 1, 2, 3, 3});
  to_brats_labels(labels);
  CHECK(labels == std::vector<std::uint8_t>{0, 1, 2, 4, 4});
  CHECK_THROWS_AS(to_brats_labels(labels), Error);
  CHECK_THROWS_AS(to_classes(labels, LabelConvention::brats2023, "seg"), DataError);
  std::vector<std::uint8_t> newer{3, 0};
  CHECK_THROWS_AS(to_classes(newer, LabelConvention::brats2020, "seg"), DataError);
  to_classes(newer, LabelConvention::brats2023, "seg");
  CHECK(newer == std::vector<std::uint8_t>{3, 0});
}

TEST_CASE("All real cases are found complete", "[dataset][real]") {
  const auto folder = real_data("brats");
  if (!folder) { return; }
  const auto cases = find_cases(*folder);
  CHECK(cases.size() == 16);
  for (const auto& c : cases) { check_complete(c, c.id, *folder / c.id); }
}

}  // namespace vox::test
