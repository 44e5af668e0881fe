#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "data/cases/dataset.h"
#include "data/cases/layout_files.h"
#include "data/check/check.h"
#include "data/nifti/nifti.h"
#include "data/prepare/prepared_case.h"
#include "engine/safetensors.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/gzip.h"
#include "tools/interchange/keras_weights.h"
#include "tools/interchange/weights_of_file.h"
#include "tools/run/run_history.h"
#include "tools/run/run_record.h"
#include "tools/ui/printable_text.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

fs::path seed(const std::string& name) { return fs::path(VOX_SOURCE_DIR) / "tests/fuzz/seeds" / name; }

std::string list_refusal(const std::string& name, const std::string& text) {
  const TempFolder folder;
  write_bytes(folder / name, text);
  try {
    static_cast<void>(list_cases(folder / name));
  } catch (const DataError& e) { return e.what(); }
  return "nothing was refused";
}

}  // namespace

TEST_CASE("hostile files: a checkpoint that describes more than it holds is refused before memory is asked for",
          "[hostile]") {
  CHECK_THROWS_WITH(CheckpointFile(seed("checkpoint/claims_huge_widths")),
                    ContainsSubstring("holds 0 bytes of tensors, its network of widths 60000 60000 60000 wants"));
  CHECK_THROWS_WITH(CheckpointFile(seed("checkpoint/claims_widths_that_overflow")),
                    ContainsSubstring("a width is 1099511627776, wants 1 to 65536"));
  CHECK_THROWS_AS(CheckpointFile(seed("checkpoint/claims_widths_that_overflow")), DataError);
}

TEST_CASE("hostile files: a prepared case of another's cache names no path and no extents that overflow", "[hostile]") {
  CHECK_THROWS_WITH(PreparedFile(seed("prepared_case/id_that_is_a_path")),
                    ContainsSubstring("the id '../../elsewhere' cannot be a file's name"));
  CHECK_THROWS_WITH(PreparedFile(seed("prepared_case/source_that_overflows")),
                    ContainsSubstring("a source of -9223372036854775808x1x1 voxels"));
}

TEST_CASE("hostile files: a pipe is no safetensors file and no list, and nobody waits for it", "[hostile]") {
  const TempFolder folder;
  for (const char* const name : {"a.safetensors", "list.csv", "a.nii"}) {
    REQUIRE(mkfifo((folder / name).c_str(), 0600) == 0);
  }
  CHECK_THROWS_WITH(SafetensorsFile(folder / "a.safetensors"), ContainsSubstring("is no regular file"));
  CHECK_THROWS_WITH(list_cases(folder / "list.csv"), ContainsSubstring("list.csv: is no regular file"));
  CHECK_THROWS_WITH(read_nifti(folder / "a.nii"), ContainsSubstring("a.nii' is not a file; wants a NIfTI file"));
  CHECK_THROWS_WITH(open_weights(folder / "a.nii", "model"), ContainsSubstring("is no regular file"));
}

TEST_CASE("hostile files: an image that is refused before its header was read is closed", "[hostile]") {
  const TempFolder folder;
  write_bytes(folder / "empty.nii", "");
  const auto next_descriptor = [] {
    const int number = dup(STDIN_FILENO);  // the lowest that is free
    close(number);
    return number;
  };
  const int before = next_descriptor();
  CHECK_THROWS_WITH(read_nifti(folder / "empty.nii"), ContainsSubstring("is empty"));
  CHECK(next_descriptor() == before);
}

TEST_CASE("hostile files: a list gives no id that leaves a folder or orders a terminal about", "[hostile]") {
  for (const char* const id : {"../up", "/etc/x", ".", "..", "\x1b[2J", "a\x7f", ""}) {
    INFO(id);
    CHECK_THAT(list_refusal("list.csv", fmt::format("id,t1\n{},x.nii\n,y\n", id)),
               ContainsSubstring("cannot be a file's name"));
  }
  CHECK_THAT(list_refusal("list.json", R"([{"id":"a\u0000","t1":"x"}])"), ContainsSubstring("the id 'a"));
  CHECK_THAT(list_refusal("list.json", R"([{"id":"a","t1":"x\u0000.nii"}])"), ContainsSubstring("holds a byte of 0"));
}

TEST_CASE("hostile files: a list takes time and memory as its bytes, not as their square", "[hostile]") {
  std::string keys = R"([{"id":"a")";
  for (int i = 0; i < 100; ++i) { keys += fmt::format(",\"k{}\":\"x\"", i); }
  CHECK_THAT(list_refusal("list.json", keys + "}]"), ContainsSubstring("wants at most 64 in all"));
  std::string quotes = "id,t1\na," + std::string(300'000, ' ');  // each opened quote looked through all spaces
  for (int i = 0; i < 300'000; ++i) { quotes += "\" "; }
  CHECK_THAT(list_refusal("list.csv", quotes + "\n"), !ContainsSubstring("cannot open"));
}

TEST_CASE("hostile files: dataset.json names no file outside of its folder, and links are followed", "[hostile]") {
  const TempFolder folder;
  const fs::path images = folder / "set/imagesTr";
  fs::create_directories(images);
  fs::create_directories(folder / "outside");
  write_bytes(folder / "outside/a.nii.gz", "");
  write_bytes(folder / "outside/linked.nii.gz", "");
  write_bytes(images / "a.nii.gz", "");
  fs::create_symlink(folder / "outside/linked.nii.gz", images / "b.nii.gz");
  fs::create_directory_symlink(folder / "set", images / "up");  // leads back up
  write_bytes(folder / "set/dataset.json",
              R"({"channel_names":{"0":"T1","1":"T1ce","2":"T2","3":"FLAIR"},"labels":{"background":0,"edema":2},)"
              R"("training":[{"image":"../outside/a.nii.gz","label":"/etc/passwd"},{"image":"/outside/b.nii.gz"}]})");
  const Dataset d = find_dataset(folder / "set");
  REQUIRE(d.cases.size() == 2);
  for (const CaseFiles& c : d.cases) {
    for (const fs::path& image : c.images) { CHECK(image == images / (c.id + ".nii.gz")); }
    CHECK(c.labels.empty());
  }
}

TEST_CASE("hostile files: a pipe in a run's folder or for weights is refused, and nobody waits for it", "[hostile]") {
  const TempFolder folder;
  fs::create_directory(folder / "run");
  for (const char* const name : {"run/log.jsonl", "weights.pth"}) {
    REQUIRE(mkfifo((folder / name).c_str(), 0600) == 0);
  }
  CHECK_THROWS_WITH(read_run(folder / "run"), ContainsSubstring("log.jsonl: is no regular file"));
  CHECK_THROWS_WITH(read_history(folder / "run/log.jsonl"), ContainsSubstring("log.jsonl: is no regular file"));
  CHECK_THROWS_WITH(open_weights(folder / "weights.pth", "w"), ContainsSubstring("is no regular file"));
  CHECK_THROWS_WITH(read_keras(folder / "weights.pth"), ContainsSubstring("is no regular file"));
}

TEST_CASE("hostile files: a gzipped volume may claim no more memory than there is", "[hostile]") {
  const TempFolder folder;
  Image image{.geometry = {}, .values = LargeVector<float>(8)};
  image.geometry.size = {2, 2, 2};
  image.geometry.affine = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0};
  write_nifti(folder / "a.nii", image);
  std::string header = read_bytes(folder / "a.nii").substr(0, 352);
  const std::array<std::int16_t, 3> extents{10240, 10240, 10240};  // 4 TiB of float: no machine has four of them
  std::memcpy(header.data() + 42, extents.data(), sizeof extents);
  const fs::path claims = folder / "claims.nii.gz";
  write_bytes(claims, gzipped(header));
  fs::resize_file(claims, std::uintmax_t{5} << 30U);  // a hole, so that the format would allow as much
  try {
    static_cast<void>(read_nifti(claims));
    FAIL("it was read");
  } catch (const NiftiError& e) {
    CHECK(e.fault() == NiftiFault::too_large);
    CHECK_THAT(e.what(), ContainsSubstring("10240x10240x10240 float32 voxels takes 32000.00 GiB"));
  }
  CaseFiles c;
  c.images.fill(folder / "a.nii");
  c.images[0] = claims;
  const std::vector<Finding> found = check_case(c).findings;
  CHECK(std::ranges::count(found, Check::unreadable, &Finding::check) == 1);
}

TEST_CASE("hostile files: a file of Keras opens no other file and claims no more numbers than it can hold",
          "[hostile]") {
  const TempFolder folder;
  try {
    static_cast<void>(read_keras(fs::path(VOX_SOURCE_DIR) / "tests/golden/keras_import/three.weights.h5"));
  } catch (const DataError&) { throw; } catch (const Error& e) {
    WARN("skipped: " << e.what());  // no library
    return;
  }
  fs::copy_file(fs::path(VOX_SOURCE_DIR) / "tests/golden/keras_import/three.weights.h5", folder / "three.weights.h5");
  write_bytes(folder / "secret.bin", std::string(216, '\x01'));
  const auto refusal = [&](const char* name) -> std::string {
    fs::copy_file(seed(std::string("keras/") + name), folder / name);
    try {
      static_cast<void>(read_keras(folder / name));
    } catch (const DataError& e) { return e.what(); }
    return "nothing was refused";
  };
  CHECK_THAT(refusal("linked.h5"), ContainsSubstring("'layers' is no group"));
  CHECK_THAT(refusal("stored_elsewhere.h5"), ContainsSubstring("lie in another file"));
  CHECK_THAT(refusal("virtual.h5"), ContainsSubstring("lie in another file"));
  CHECK_THAT(refusal("claims_much.h5"), ContainsSubstring("more than the"));
  const std::string linked = read_bytes(folder / "linked.h5");
  for (const auto& [at, value] : {std::pair(814, '\0'), std::pair(813, '\1'), std::pair(815, '6')}) {
    std::string crashing = linked;  // HDF5 1.10.8 ends by SIGSEGV
    crashing.at(static_cast<std::size_t>(at)) = value;
    write_bytes(folder / "crashing.h5", crashing);
    CHECK_THROWS_AS(read_keras(folder / "crashing.h5"), DataError);
  }
}

TEST_CASE("hostile files: text for a terminal holds no control character but ends of lines", "[hostile]") {
  CHECK(printable_text("a\tb\n\x1b[2J\x07\x7f\r") == "a\tb\n\\x1b[2J\\x07\\x7f\\x0d");
  CHECK(printable_text("\xc2\x9b"
                       "2J \xc3\xa9 \xc2\xa0 \xff") == "\\x9b2J \xc3\xa9 \xc2\xa0 \xff");
}

}  // namespace vox::test
