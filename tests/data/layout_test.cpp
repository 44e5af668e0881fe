#include "data/cases/layout.h"

#include <fmt/format.h>

#include <filesystem>

#include "data/cases/edition.h"
#include "data/check/check.h"
#include "data/convert/convert.h"
#include "data/nifti/nifti.h"
#include "data/prepare/prepare.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/gzip.h"
#include "tests/support/nifti_file.h"
#include "tests/support/small_case.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

constexpr Extent3 kSize{6, 7, 8};
constexpr const char* kChannels = R"("channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"})";
constexpr const char* kRegions =
    R"("labels": {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]})";

void touch(const fs::path& path) { write_bytes(path, "x"); }

/// An nnU-Net folder of files that are never read.
void touch_nnunet(const fs::path& root, const std::string& json, int cases = 2, int channels = 4) {
  for (int c = 0; c < cases; ++c) {
    for (int i = 0; i < channels; ++i) { touch(root / "imagesTr" / fmt::format("case{}_{:04}.nii.gz", c, i)); }
    touch(root / "labelsTr" / fmt::format("case{}.nii.gz", c));
  }
  write_bytes(root / "dataset.json", "{" + json + "}");
}

LabelConvention convention(const std::vector<NamedLabel>& names) {
  const StatedLabels s = stated_labels("names", names);
  INFO(s.text);
  REQUIRE(s.convention);
  return *s.convention;
}

std::string why_not(const std::vector<NamedLabel>& names) {
  const StatedLabels s = stated_labels("names", names);
  CHECK_FALSE(s.convention);
  return s.text;
}

/// A 4-D file by hand: volume v holds 100 v + 1, + 2, ...; scaled by 2, and 1 added.
std::string four_volumes(int volumes) {
  std::vector<std::int16_t> values;
  for (int v = 0; v < volumes; ++v) {
    for (int i = 0; i < 24; ++i) { values.push_back(static_cast<std::int16_t>(100 * v + i + 1)); }
  }
  auto file = nifti_file<nifti_1_header, std::int16_t>({4, 3, 2}, values);
  file.header.dim[0] = 4;
  file.header.dim[4] = static_cast<std::int16_t>(volumes);
  file.header.scl_slope = 2;
  file.header.scl_inter = 1;
  return file.bytes();
}

PreparedCase prepared(const CaseFiles& c) { return prepare_case(c, recipe_named("zscore", 16)); }

void check_equal(const PreparedCase& a, const PreparedCase& b) {
  CHECK(a.info.id == b.info.id);
  CHECK(a.info.mapping == b.info.mapping);
  CHECK(a.image == b.image);
  CHECK(a.label == b.label);
  CHECK_FALSE(a.label.empty());
}

}  // namespace

TEST_CASE("Channels go by many names, and others by none", "[layout]") {
  for (const char* word : {"T1", "t1n", "T1w", "t1-weighted"}) { CHECK(modality_named(word) == Modality::t1); }
  for (const char* word : {"T1ce", "t1c", "T1Gd", "T1w_Gd", "t1 post"}) {
    CHECK(modality_named(word) == Modality::t1ce);
  }
  for (const char* word : {"T2", "t2w"}) { CHECK(modality_named(word) == Modality::t2); }
  for (const char* word : {"FLAIR", "t2f", "T2-FLAIR", "Fl"}) { CHECK(modality_named(word) == Modality::flair); }
  for (const char* word : {"CT", "", "T", "dwi", "t1t2"}) { CHECK_FALSE(modality_named(word)); }
}

TEST_CASE("Names of labels say which convention it is", "[layout]") {
  using enum LabelConvention;
  CHECK(convention({{"background", {0}}, {"edema", {1}}, {"non-enhancing tumor", {2}}, {"enhancing tumour", {3}}}) ==
        msd);
  CHECK(
      convention({{"background", {0}}, {"whole tumor", {1, 2, 3}}, {"tumor core", {2, 3}}, {"enhancing tumor", {3}}}) ==
      msd);
  CHECK(convention({{"WT", {1, 2, 3}}, {"TC", {1, 3}}, {"ET", {3}}}) == brats2023);
  CHECK(convention({{"NCR/NET", {1}}, {"peritumoral oedema", {2}}, {"GD-enhancing tumor", {4}}}) == brats2020);
  CHECK(convention({{"NETC", {1}}, {"SNFH", {2}}, {"ET", {3}}, {"RC", {4}}}) == brats2024);
  CHECK(convention({{"necrosis", {1}}, {"edema", {2}}, {"non-enhancing", {3}}, {"enhancing", {4}}}) == brats2016);
  CHECK(convention({{"ET", {1}}, {"NET", {2}}, {"CC", {3}}, {"ED", {4}}}) == brats2024_ped);
  CHECK_THAT(why_not({{"edema", {3}}, {"necrosis", {1}}, {"enhancing", {2}}}), ContainsSubstring("no convention has"));
  CHECK_THAT(why_not({{"edema", {1}}, {"enhancing", {3}}}), ContainsSubstring("no convention has"));
  CHECK_THAT(why_not({{"liver", {1}}}), ContainsSubstring("'liver', which is no part of a brain tumour"));
  CHECK_THAT(why_not({{"ignore", {4}}}), ContainsSubstring("to be ignored"));
}

TEST_CASE("Names beside labels decide before names of cases, and --labels before both", "[layout]") {
  LabelCounts counts{};
  counts[1] = counts[3] = 5;
  LabelFile file{.id = "Brats18_x", .file = {}, .hyphenated = false, .stated = {}};
  CHECK(decide_labels(file, counts, {}).convention == LabelConvention::brats2023);
  file.stated = stated_labels("dataset.json", {{"edema", {1}}, {"necrosis", {2}}, {"enhancing", {3}}});
  CHECK(decide_labels(file, counts, {}).convention == LabelConvention::msd);
  CHECK(decide_labels(file, counts, {}).reason == "dataset.json names them");
  counts[4] = 1;
  CHECK(decide_labels(file, counts, {}).unknown);
  file.stated = stated_labels("dataset.json", {{"liver", {1}}});
  CHECK_FALSE(decide_labels(file, counts, {}).convention);
  CHECK_FALSE(decide_labels(file, counts, {}).unknown);
  const LabelRules asked{.asked = LabelConvention::brats2024, .mixed = false};
  CHECK(decide_labels(file, counts, asked).convention == LabelConvention::brats2024);
}

TEST_CASE("Volumes of a 4-D file are read as files of their own", "[layout][nifti]") {
  const TempFolder folder;
  const fs::path file = folder / "four.nii.gz";
  write_bytes(file, gzipped(four_volumes(4)));
  const std::array<std::int64_t, 2> which{2, 0};
  const auto images = read_nifti_volumes(file, which, 4);
  REQUIRE(images.size() == 2);
  for (std::size_t v = 0; v < 2; ++v) {
    CHECK(images[v].image.geometry.size == std::array<std::int64_t, 3>{2, 3, 4});
    CHECK(images[v].image.geometry == read_nifti_geometry(file, 4));
    for (std::size_t i = 0; i < 24; ++i) {
      const auto stored = 100 * static_cast<double>(which[v]) + static_cast<double>(i) + 1;
      CHECK(images[v].image.values[i] == static_cast<float>(2 * stored + 1));
    }
  }
  CHECK_THROWS_WITH(read_nifti_volumes(file, which, 3), ContainsSubstring("4-D, 4x3x2x4; wants 4-D, with 3 volumes"));
  CHECK_THROWS_AS(read_nifti(file), NiftiError);
  write_bytes(file, gzipped(four_volumes(4).substr(0, 400)));
  CHECK_THROWS_WITH(read_nifti_volumes(file, which, 4), ContainsSubstring("4x3x2x4 int16"));
}

TEST_CASE("nnU-Net's raw folder is found, with what dataset.json says of channels and labels", "[layout]") {
  const TempFolder folder;
  const fs::path root = folder / "Dataset001";
  touch_nnunet(root, fmt::format(R"({}, {}, "numTraining": 2, "file_ending": ".nii.gz")", kChannels, kRegions));
  for (const fs::path& path : {root, root / "imagesTr"}) {
    const Dataset d = find_dataset(path);
    CHECK(d.layout == CaseLayout::nnunet);
    REQUIRE(d.cases.size() == 2);
    CHECK(d.cases[1].id == "case1");
    CHECK(d.cases[1].image(Modality::t1ce).filename() == "case1_0001.nii.gz");
    CHECK(d.cases[1].labels.filename() == "case1.nii.gz");
    REQUIRE(d.cases[1].stated);
    CHECK(d.cases[1].stated->convention == LabelConvention::msd);
    CHECK_THAT(describe(d), ContainsSubstring("layout nnunet") && ContainsSubstring("3 'Flair' flair"));
  }
  for (const fs::path& path : {root, root / "labelsTr"}) {
    const auto labels = find_label_files(path);
    REQUIRE(labels.size() == 2);
    CHECK(labels[0].stated->convention == LabelConvention::msd);
  }
  touch(root / "imagesTs/new_0000.nii.gz");
  CHECK(find_dataset(root / "imagesTs").cases.at(0).labels.empty());
}

TEST_CASE("A dataset.json that contradicts the files is refused", "[layout][bad_input]") {
  const TempFolder folder;
  int n = 0;
  const auto refused = [&](const std::string& json, const std::string& words, const std::string& extra = {}) {
    const fs::path root = folder / fmt::format("set{}", ++n);
    touch_nnunet(root, json);
    if (!extra.empty()) { touch(root / extra); }
    CHECK_THROWS_WITH(find_dataset(root), ContainsSubstring(words));
    CHECK_THROWS_AS(find_dataset(root), DataError);
  };
  const std::string sound = fmt::format("{}, {}", kChannels, kRegions);
  refused(sound + R"(, "numTraining": 3)", "numTraining is 3");
  refused(sound, "it names 4 channels, and there is", "imagesTr/case0_0004.nii.gz");
  refused(sound, "labels of cases that have no image: other.nii.gz", "labelsTr/other.nii.gz");
  refused(sound, "has no channel's number", "imagesTr/case0.nii.gz");
  refused(R"("channel_names": {"0": "CT", "1": "T1", "2": "T2", "3": "FLAIR"})", "channel 0 'CT' is none of t1");
  refused(R"("channel_names": {"0": "T1", "1": "T1w", "2": "T2", "3": "FLAIR"})", "channels 0 and 1 are both t1");
  refused(R"("channel_names": {"1": "T1"})", "names channel 1 and not channel 0");
  refused(R"("labels": {"background": 0})", "names no channels");
  refused(sound + R"(, "file_ending": ".mha")", "files end in '.mha'");
  refused("", "names no channels");
  refused("nonsense", "is not JSON");
  refused(sound, "signs of two layouts: nnunet", "brats/p_flair.nii.gz");
  fs::remove(folder / "set1/dataset.json");
  CHECK_THROWS_WITH(find_dataset(folder / "set1"), ContainsSubstring("no dataset.json"));
  CHECK_THROWS_WITH(find_dataset(folder / "set1", CaseLayout::bids), ContainsSubstring("is no BIDS folder"));
}

TEST_CASE("BIDS subjects and sessions are cases, with labels from derivatives", "[layout]") {
  const TempFolder root;
  const fs::path one = root / "sub-01/ses-a/anat";
  for (const char* end : {"T1w", "ce-gadolinium_T1w", "T2w", "FLAIR"}) {
    touch(one / fmt::format("sub-01_ses-a_{}.nii.gz", end));
    touch(root / fmt::format("sub-02/anat/sub-02_{}.nii", end));
  }
  touch(root / "derivatives/seg/sub-01/ses-a/anat/sub-01_ses-a_space-orig_dseg.nii.gz");
  touch(root / "derivatives/brain/sub-01/ses-a/anat/sub-01_ses-a_desc-brain_mask.nii.gz");
  write_bytes(root / "derivatives/seg/dseg.tsv",
              "index\tname\n0\tbackground\n1\tedema\n2\tnecrosis\n3\tenhancing tumor\n");
  const Dataset d = find_dataset(root.path(), {}, "desc-brain_mask");
  CHECK(d.layout == CaseLayout::bids);
  REQUIRE(d.cases.size() == 2);
  CHECK(d.cases[0].id == "sub-01_ses-a");
  CHECK(d.cases[0].image(Modality::t1).filename() == "sub-01_ses-a_T1w.nii.gz");
  CHECK(d.cases[0].image(Modality::t1ce).filename() == "sub-01_ses-a_ce-gadolinium_T1w.nii.gz");
  CHECK(d.cases[0].labels.filename() == "sub-01_ses-a_space-orig_dseg.nii.gz");
  CHECK(d.cases[0].mask.filename() == "sub-01_ses-a_desc-brain_mask.nii.gz");
  REQUIRE(d.cases[0].stated);
  CHECK(d.cases[0].stated->convention == LabelConvention::msd);
  CHECK(d.cases[1].id == "sub-02");
  CHECK(d.cases[1].labels.empty());
  CHECK(find_cases(root / "sub-02").size() == 1);
  touch(root / "sub-02/anat/sub-02_acq-2_T2w.nii");
  CHECK(find_cases(root / "sub-02").at(0).clashes.size() == 1);
  const fs::path untold =
      root / "derivatives/seg/sub-02/anat/sub-02_dseg.nii.gz";  // labels that the system does not give
  fs::create_directories(untold.parent_path());
  fs::create_symlink(std::string(300, 'n'), untold);
  CHECK_THROWS_WITH(find_cases(root.path()),
                    ContainsSubstring(untold.string() + ": cannot be read: File name too long"));
}

TEST_CASE("A list of paths is CSV or JSON, relative to where it is", "[layout]") {
  const TempFolder root;
  write_bytes(root / "a.csv",
              "\xEF\xBB\xBFid, T1w,t1gd,t2,Flair,seg\r\n\"p,1\",a/t1.nii,\"b \"\"x\"\".nii\",c.nii,d.nii,\r\n\r\n");
  write_bytes(root / "a.json", R"([{"id": "p", "t1": "t1.nii", "seg": "/s.nii"}, {"id": "q", "t2": "2.nii"}])");
  const Dataset csv = find_dataset(root / "a.csv");
  CHECK(csv.layout == CaseLayout::list);
  REQUIRE(csv.cases.size() == 1);
  CHECK(csv.cases[0].id == "p,1");
  CHECK(csv.cases[0].image(Modality::t1) == root / "a/t1.nii");
  CHECK(csv.cases[0].image(Modality::t1ce) == root / "b \"x\".nii");
  CHECK(csv.cases[0].labels.empty());
  const auto json = find_cases(root / "a.json");
  REQUIRE(json.size() == 2);
  CHECK(json[0].labels == "/s.nii");
  CHECK(json[1].image(Modality::t2) == root / "2.nii");
  const auto refused = [&](const std::string& text, const std::string& words) {
    write_bytes(root / "bad.csv", text);
    CHECK_THROWS_WITH(find_dataset(root / "bad.csv"), ContainsSubstring(words));
  };
  refused("t1\nx\n", "no column 'id'");
  refused("id,t1\np\n", "line 2 has 1 fields");
  refused("id,ct\np,x\n", "column 'ct' is unknown");
  refused("id,mask\np,x\n", "call it seg or brain_mask");
  refused("id,t1,T1w\np,x,y\n", "two columns are the same");
  refused("id,t1\np,x\np,y\n", "line 3: the id 'p' is there already");
  refused("id,t1\n../p,x\n", "cannot be a file's name");
  refused("id,t1\n", "lists no case");
}

TEST_CASE("DICOM and MetaImage are refused with what to do", "[layout][bad_input]") {
  const TempFolder root;
  touch(root / "scan/1.dcm");
  write_bytes(root / "bare/IM0001", std::string(128, '\0') + "DICM");
  touch(root / "meta/a.mha");
  CHECK_THROWS_WITH(find_dataset(root / "scan"), ContainsSubstring("dcm2niix"));
  CHECK_THROWS_WITH(find_dataset(root / "bare"), ContainsSubstring("dcm2niix"));
  CHECK_THROWS_WITH(find_dataset(root / "scan/1.dcm"), ContainsSubstring("dcm2niix"));
  CHECK_THROWS_WITH(find_dataset(root / "meta"), ContainsSubstring("SimpleITK"));
  CHECK_THROWS_WITH(find_dataset(root / "meta/a.mha"), ContainsSubstring("SimpleITK"));
}

TEST_CASE("Cases converted to nnU-Net, the Decathlon and back are prepared to the same bits", "[layout][convert]") {
  const TempFolder folder;
  for (const char* id : {"case_a", "case_b"}) { write_case(folder / "brats", id, kSize); }
  fs::remove(folder / "brats/case_b/case_b_seg.nii");
  const auto cases = find_cases(folder / "brats");
  const PreparedCase wanted = prepared(cases.at(0));
  const auto convert = [&](const char* from, CaseLayout to) {
    const fs::path out = folder / std::string(name(to));
    fs::remove_all(out);
    ConvertReport r = convert_dataset({.input = folder / from, .output = out, .to = to});
    CHECK(r.labelled == 1);
    return r;
  };
  CHECK(convert("brats", CaseLayout::nnunet).labels_kept == 0);
  check_equal(prepared(find_cases(folder / "nnunet").at(0)), wanted);
  CHECK(find_cases(folder / "nnunet/imagesTs").at(0).id == "case_b");
  CHECK(convert("nnunet", CaseLayout::msd).labels_kept == 1);  // imagesTr alone: case_b has no labels
  const Dataset msd = find_dataset(folder / "msd");
  CHECK(msd.layout == CaseLayout::msd);
  check_equal(prepared(msd.cases.at(0)), wanted);
  CHECK(read_bytes(folder / "msd/labelsTr/case_a.nii.gz") == read_bytes(folder / "nnunet/labelsTr/case_a.nii.gz"));
  fs::remove_all(folder / "nnunet");
  convert("msd", CaseLayout::nnunet);
  check_equal(prepared(find_cases(folder / "nnunet").at(0)), wanted);
  fs::remove_all(folder / "brats");
  convert("nnunet", CaseLayout::brats);
  check_equal(prepared(find_cases(folder / "brats").at(0)), wanted);
  const CheckReport checked = check_cases({.input = folder / "msd"});
  CHECK(checked.cases.at(0).labels == LabelConvention::msd);
  CHECK(checked.count(Severity::error) == 0);
}

TEST_CASE("convert writes a whole folder or nothing", "[convert][bad_input]") {
  const TempFolder folder;
  for (const char* id : {"a", "b"}) { write_case(folder / "in", id, kSize); }
  const ConvertOptions options{.input = folder / "in", .output = folder / "out", .to = CaseLayout::nnunet};
  touch(folder / "out/mine.txt");
  CHECK_THROWS_WITH(convert_dataset(options), ContainsSubstring("not an empty folder"));
  CHECK(read_bytes(folder / "out/mine.txt") == "x");
  fs::remove(folder / "out/mine.txt");
  fs::remove(folder / "in/b/b_t2.nii");
  CHECK_THROWS_WITH(convert_dataset(options), ContainsSubstring("b: no t2 image"));
  CHECK(fs::is_empty(folder / "out"));
  write_bytes(folder / "in/b/b_t2.nii", "no scan");
  CHECK_THROWS_AS(convert_dataset(options), DataError);
  CHECK(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 2);  // in and out
}

}  // namespace vox::test
