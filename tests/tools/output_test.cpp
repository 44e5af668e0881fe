#include "tools/ui/output.h"

#include <sys/stat.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "engine/atomic_file.h"
#include "engine/safetensors.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tools/run/epoch_report.h"
#include "tools/run/run_log.h"
#include "tools/ui/progress_bar.h"
#include "tools/ui/table.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

const std::string kNoSpace = "voxgrad: cannot write to the standard output: No space left on device";

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// Four prepared cases, and a command that trains on three of them for two epochs.
std::string small_training(const TempFolder& folder) {
  const std::string raw = (folder / "raw").string();
  const std::string cache = (folder / "cache").string();
  REQUIRE(voxgrad("synth --cases 4 --size 32 32 32 -o " + raw).code == 0);
  REQUIRE(voxgrad("prepare --size 32 -i " + raw + " -o " + cache).code == 0);
  return "train --widths 4 4 6 6 8 --batch 1 --epochs 2 --folds 4 -i " + cache + " -o " + (folder / "run").string();
}

std::size_t epochs_logged(const fs::path& run) {
  const std::string log = read_bytes(run / "log.jsonl");
  std::size_t count = 0;
  for (std::size_t at = 0; (at = log.find("{\"type\":\"epoch\"", at)) != std::string::npos; ++at) { ++count; }
  return count;
}

}  // namespace

TEST_CASE("what cannot be written to stdout is exit 2 with the reason, in every verb", "[output]") {
  if (!fs::exists("/dev/full")) {
    WARN("skipped: there is no /dev/full");
    return;
  }
  for (const char* const arguments :
       {"--help", "--version", "train --help", "plan --size 16", "plan --size 16 --json", "info --json", "info",
        "doctor", "doctor --json", "gradcheck --op add", "gradcheck --op add --json"}) {
    INFO(arguments);
    const Ended e = voxgrad(std::string(arguments) + " >/dev/full");
    CHECK(e.code == 2);
    CHECK(e.output == kNoSpace + "\n");
  }
  const Ended broken = voxgrad("no-such-verb 2>/dev/full");
  CHECK(broken.code == 2);
}

TEST_CASE("a verb with findings says nothing of them where nobody can read them: exit 2", "[output]") {
  const TempFolder folder;
  const std::string raw = (folder / "raw").string();
  REQUIRE(voxgrad("synth --cases 1 --size 32 32 32 -o " + raw).code == 0);
  for (const char* const file : {"t1", "seg"}) {
    fs::remove(folder / "raw" / "Synth_001" / (std::string("Synth_001_") + file + ".nii.gz"));
  }
  CHECK(voxgrad("check --json -i " + raw).code == 3);
  const Ended e = voxgrad("check --json -i " + raw + " >/dev/full");
  CHECK(e.code == 2);
  CHECK_THAT(e.output, ContainsSubstring(kNoSpace));
}

TEST_CASE("closed descriptors are an error to write to, and are not given to a file", "[output]") {
  const Ended closed = voxgrad("--version >&-");
  CHECK(closed.code == 2);
  CHECK_THAT(closed.output, ContainsSubstring("cannot write to the standard output: Bad file descriptor"));
  CHECK(voxgrad("no-such-verb 2>&-").code == 2);
  CHECK(voxgrad("plan --size 16 <&-").code == 0);

  const TempFolder folder;  // none of its bytes is a message
  const std::string output = (folder / "out").string();
  CHECK(voxgrad("synth --plant-faults --cases 1 --size 32 32 32 -o " + output + " <&- >&- 2>&-").code == 2);
  CHECK(nlohmann::json::accept(read_bytes(folder / "out" / "faults.json")));
}

TEST_CASE("training goes on without its stdout, writes its checkpoints and ends with exit 2", "[output][training]") {
  if (!fs::exists("/dev/full")) {
    WARN("skipped: there is no /dev/full");
    return;
  }
  const TempFolder folder;
  const std::string train = small_training(folder);
  const Ended e = voxgrad(train + " >/dev/full");
  CHECK(e.code == 2);
  CHECK_THAT(e.output, ContainsSubstring(kNoSpace));
  CHECK(fs::exists(folder / "run" / "best.safetensors"));
  CHECK(fs::exists(folder / "run" / "last.safetensors"));
  CHECK(epochs_logged(folder / "run") == 2);

  fs::remove_all(folder / "run");
  static_cast<void>(voxgrad(train + " | true"));  // nobody reads: a signal would end the run
  CHECK(fs::exists(folder / "run" / "last.safetensors"));
  CHECK(epochs_logged(folder / "run") == 2);

  fs::remove_all(folder / "run");
  fs::create_directories(folder / "run" / "progress.png");
  if (std::system("gnuplot --version >/dev/null 2>&1") != 0) { return; }  // NOLINT
  const Ended undrawn = voxgrad(train);
  CHECK(undrawn.code == 2);
  CHECK_THAT(undrawn.output, ContainsSubstring("progress.png: cannot be written: Is a directory"));
  CHECK(epochs_logged(folder / "run") == 2);
}

TEST_CASE("a file is written through a symbolic link, which stays", "[output]") {
  const TempFolder folder;
  fs::create_directories(folder / "there");
  write_bytes(folder / "there" / "old", "old");
  fs::create_symlink("there/old", folder / "one");
  fs::create_symlink("one", folder / "two");
  fs::create_symlink(folder / "there" / "new", folder / "dangling");
  write_file(folder / "two", "fresh");
  write_file(folder / "dangling", "made");
  write_safetensors(folder / "dangling", {}, {{"a", "b"}});
  CHECK(fs::is_symlink(folder / "two"));
  CHECK(fs::is_symlink(folder / "one"));
  CHECK(fs::is_symlink(folder / "dangling"));
  CHECK(read_bytes(folder / "there" / "old") == "fresh");
  CHECK(SafetensorsFile(folder / "there" / "new").meta("a") == "b");
  CHECK(files_in(folder / "there") == 2);
  CHECK(files_in(folder.path()) == 4);
}

TEST_CASE("what is no regular file is written and not replaced", "[output]") {
  const TempFolder folder;
  const fs::path pipe = folder / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::string read;
  std::thread reader([&] { read = read_bytes(pipe); });
  write_file(pipe, "through");
  reader.join();
  CHECK(read == "through");
  CHECK(fs::is_fifo(pipe));
  CHECK(files_in(folder.path()) == 1);

  const std::string raw = (folder / "raw").string();  // what is printed comes behind it
  REQUIRE(voxgrad("synth --cases 1 --size 32 32 32 -o " + raw).code == 0);
  const std::string labels = raw + "/Synth_001/Synth_001_seg.nii.gz";
  const fs::path out = folder / "out";
  CHECK(voxgrad("evaluate -g " + labels + " -p " + labels + " -o /dev/stdout >" + out.string()).code == 0);
  const std::string text = read_bytes(out);
  CHECK(text.starts_with("{\n"));
  CHECK_THAT(text, ContainsSubstring("\n}\n") && ContainsSubstring("all background"));
}

TEST_CASE("an output that cannot be written is named with the reason", "[output][errors]") {
  const TempFolder folder;
  CHECK_THROWS_AS(write_file(folder / "no" / "file", "x"), OutputError);
  CHECK_THROWS_WITH(write_file(folder / "no" / "file", "x"),
                    ContainsSubstring("no/file: cannot be written: No such file or directory"));
  CHECK_THROWS_WITH(write_file(folder.path(), "x"), ContainsSubstring("Is a directory"));
  fs::create_symlink("circle", folder / "circle");
  CHECK_THROWS_AS(write_file(folder / "circle", "x"), OutputError);
  CHECK_THROWS_AS(write_safetensors(folder / "no" / "file", {}, {}), OutputError);
  CHECK_THROWS_AS(RunLog(folder.path(), 0), OutputError);
  CHECK(files_in(folder.path()) == 1);
  if (!fs::exists("/dev/full")) { return; }
  fs::create_symlink("/dev/full", folder / "full");
  CHECK_THROWS_WITH(write_file(folder / "full", "x"), ContainsSubstring("full: cannot be written: No space left"));
  CHECK(fs::is_character_file("/dev/full"));
  const Ended e = voxgrad("synth --cases 1 --size 32 32 32 -o /dev/full/x");
  CHECK(e.code == 2);
  CHECK_THAT(e.output, ContainsSubstring("/dev/full: cannot make the folder: File exists"));
}

TEST_CASE("names that are no UTF-8 are printed in columns", "[output]") {
  const std::string table = text_table({{"case", "n"}, {"M\xFCller", "1"}, {"x", "23"}});
  CHECK_THAT(table, ContainsSubstring("M\xFCller   1\n") && ContainsSubstring("x       23\n"));
  CHECK_NOTHROW(
      progress_line({.label = "M\xFC", .unit = "\xC3", .done = 1, .total = 2, .elapsed_s = 1, .text = "\xFF"}, 40));
}

TEST_CASE("a log goes on behind lines that are none of its own", "[output]") {
  const TempFolder folder;
  write_bytes(folder / "log.jsonl", "3\n[]\n{\"step\":\"x\"}\n{\"step\":1,\"type\":7}\n{\"step\":2}\n{\"st");
  RunLog log(folder / "log.jsonl", 1);
  log.write({{"type", "epoch"}, {"step", 2}, {"cases", {"M\xFCller"}}, {"val_loss", std::nan("")}});
  CHECK(read_bytes(folder / "log.jsonl") ==
        "{\"step\":1,\"type\":7}\n{\"type\":\"epoch\",\"step\":2,"
        "\"cases\":[\"M\\\\xfcller\"],\"val_loss\":null}\n");
  CHECK(std::isnan(epoch_rows(log.epochs()).at(0).validation_loss));  // JSON has no NaN, and the plot goes on
}

}  // namespace vox::test
