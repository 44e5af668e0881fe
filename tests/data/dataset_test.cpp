#include "data/cases/dataset.h"

#include <algorithm>
#include <filesystem>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

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
  fs::create_symlink("circle", root / "circle");
  fs::create_symlink("nowhere", root / "gone");
  CHECK(find_cases(root.path()).size() == 1);
  fs::create_symlink(std::string(300, 'n'), root / "long");  // what it leads to cannot be told: it may be a case
  CHECK_THROWS_WITH(find_cases(root.path()), ContainsSubstring("long: cannot be read: File name too long"));
}

TEST_CASE("What cannot be told apart is noted of that case, and the others are found", "[dataset]") {
  const TempFolder root;
  touch_case(root / "x/a", "a", "_", kFive);
  touch_case(root / "y/a", "a", "_", kFive);
  touch_case(root / "y/b", "b", "_", {"t1.nii", "t1.nii.gz"});
  touch_case(root / "y/c", "c", "_", kFive);
  const auto cases = find_cases(root.path());
  REQUIRE(cases.size() == 3);
  REQUIRE(cases[0].clashes.size() == 1);  // once for the folder, not for each of its files
  CHECK(cases[0].clashes[0].two_folders);
  CHECK(cases[0].clashes[0].file == root / "y/a");
  CHECK(cases[0].clashes[0].other == root / "x/a");
  REQUIRE(cases[1].clashes.size() == 1);
  CHECK_FALSE(cases[1].clashes[0].two_folders);
  CHECK(cases[1].clashes[0].file.filename() == "b_t1.nii.gz");
  CHECK(cases[1].clashes[0].other.filename() == "b_t1.nii");
  CHECK(cases[2].clashes.empty());
}

TEST_CASE("Names are found whatever their case, flat in one folder, and under the names of UCSF and UPENN",
          "[dataset]") {
  const TempFolder root;
  for (const char* id : {"Pat-A", "Pat-B"}) {
    touch_case(root / "flat", id, "_", {"T1.nii.gz", "T1CE.NII.GZ", "T2.nii.gz", "FLAIR.Nii", "Seg.nii.gz"});
  }
  touch_case(root / "ucsf", "UCSF-PDGM-0004", "_",
             {"T1.nii.gz", "T1c.nii.gz", "T2.nii.gz", "FLAIR.nii.gz", "tumor_segmentation.nii.gz"});
  touch_case(root / "upenn", "UPENN-GBM-00001_11", "_",
             {"T1.nii.gz", "T1GD.nii.gz", "T2.nii.gz", "FLAIR.nii.gz", "segm.nii.gz"});
  const auto cases = find_cases(root.path());
  REQUIRE(cases.size() == 4);
  check_complete(cases[0], "Pat-A", root / "flat");
  check_complete(cases[1], "Pat-B", root / "flat");
  check_complete(cases[2], "UCSF-PDGM-0004", root / "ucsf");
  check_complete(cases[3], "UPENN-GBM-00001_11", root / "upenn");
  CHECK_FALSE(cases[0].hyphenated);
}

TEST_CASE("Masks are found by the suffix that was asked for, and are nothing else", "[dataset]") {
  const TempFolder root;
  touch_case(root / "a", "a", "_", kFive);
  touch_case(root / "a", "a", "_", {"Brain_Mask.nii.gz"});
  touch_case(root / "b", "b", "-", kFive2023);
  touch_case(root / "b", "b", "-", {"brain_mask.nii"});
  touch_case(root / "c", "c", "_", kFive);
  for (const char* suffix : {"brain_mask", "_brain_mask"}) {
    const auto cases = find_cases(root.path(), suffix);
    REQUIRE(cases.size() == 3);
    CHECK(cases[0].mask.filename() == "a_Brain_Mask.nii.gz");
    CHECK(cases[1].mask.filename() == "b-brain_mask.nii");
    CHECK(cases[2].mask.empty());
  }
  CHECK(find_cases(root.path()).at(0).mask.empty());
}

TEST_CASE("Label files are found under the names of cases, or called after the case", "[dataset]") {
  const auto ids = [](const fs::path& folder) {
    std::string text;
    for (const LabelFile& f : find_label_files(folder)) { text += f.id + (f.hyphenated ? "- " : " "); }
    return text;
  };
  const TempFolder root;
  for (const char* file : {"A_Seg.nii.gz", "B.NII.GZ", "C-seg.nii", "d.nii", "notes.txt"}) { touch(root / "p" / file); }
  CHECK(ids(root / "p") == "A B C- d ");
  touch_case(root / "flat", "x", "_", kFive);
  touch(root / "flat/other.nii.gz");  // beside images, a name that says nothing is no label file
  CHECK(ids(root / "flat") == "x ");
  touch(root / "deep/1/e_seg.nii.gz");
  touch(root / "deep/2/f.nii.gz");
  CHECK(ids(root / "deep") == "e f ");
  touch(root / "p/A.nii");
  CHECK_THROWS_WITH(ids(root / "p"), ContainsSubstring("two label files for case A"));
  touch_case(root / "twice", "y", "_", {"seg.nii", "seg.nii.gz"});
  CHECK_THROWS_WITH(ids(root / "twice"), ContainsSubstring("two label files for case y"));
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

TEST_CASE("All real cases are found complete", "[dataset][real]") {
  const auto folder = real_data("brats");
  if (!folder) { return; }
  const auto cases = find_cases(*folder);
  const auto folders = std::count_if(fs::directory_iterator(*folder), fs::directory_iterator(),
                                     [](const fs::directory_entry& e) { return e.is_directory(); });
  CHECK(std::ssize(cases) == folders);  // however many there are
  for (const auto& c : cases) { check_complete(c, c.id, *folder / c.id); }
}

}  // namespace vox::test
