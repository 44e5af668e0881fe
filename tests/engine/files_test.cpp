// How files are written and read: atomically, at their end, and through a mapping.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/append_file.h"
#include "engine/atomic_file.h"
#include "engine/mapped_files.h"
#include "engine/safetensors.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

/// Exit code, or 1000 and the signal, of act() in a process of its own, and what it says on stderr.
template <class Act> std::pair<int, std::string> in_a_process(const fs::path& said, const Act& act) {
  const pid_t child = fork();
  if (child == 0) {
    if (std::freopen(said.c_str(), "w", stderr) == nullptr) { _exit(99); }  // NOLINT(cppcoreguidelines-owning-memory)
    act();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), read_bytes(said)};
}

constexpr std::size_t kBytes = std::size_t{1} << 16U;

fs::path large_file(const fs::path& path) {
  const std::vector<std::byte> values(kBytes, std::byte{7});
  write_safetensors(path, {{"t", FileDType::u8, {std::int64_t{kBytes}}, values}}, {});
  return path;
}

}  // namespace

TEST_CASE("a mapped file that is cut short while it is read ends the program with its name", "[files]") {
  const TempFolder folder;
  const fs::path path = large_file(folder / "case.safetensors");
  const auto read_cut = [&] {
    end_on_lost_pages("voxgrad", 3);
    std::vector<SafetensorsFile> others;  // more than a block of them
    for (int i = 0; i < 300; ++i) { others.emplace_back(path); }
    const SafetensorsFile file(path);
    others.clear();
    fs::resize_file(path, 4096);
    _exit(static_cast<int>(file.tensor("t").bytes[kBytes - 1]));
  };
  const auto [code, said] = in_a_process(folder / "said", read_cut);
  CHECK(code == 3);
  CHECK_THAT(said, ContainsSubstring("\nvoxgrad: " + path.string() + ": bytes of it are gone or cannot be read"));
}

TEST_CASE("a page that is lost in no file we know is a SIGBUS as ever", "[files]") {
  const TempFolder folder;
  const fs::path path = large_file(folder / "case.safetensors");
  const auto [code, said] = in_a_process(folder / "said", [&] {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    end_on_lost_pages("voxgrad", 3);
    const SafetensorsFile file(path);
    const auto bytes = file.tensor("t").bytes;
    forget_mapping({bytes.data() - (fs::file_size(path) - kBytes), 1});
    fs::resize_file(path, 4096);
    _exit(static_cast<int>(bytes[kBytes - 1]));
  });
  CHECK(code == 1000 + SIGBUS);
  CHECK(said.empty());
}

TEST_CASE("of a piece that cannot be appended whole nothing stays", "[files]") {
  const TempFolder folder;
  const auto [code, said] = in_a_process(folder / "said", [&] {
    static_cast<void>(signal(SIGXFSZ, SIG_IGN));
    const rlimit small{100, 100};
    setrlimit(RLIMIT_FSIZE, &small);
    AppendFile file(folder / "log");
    file.append(std::string(70, 'a') + "\n");
    try {
      file.append(std::string(70, 'b') + "\n");
    } catch (const OutputError& e) {
      file.append("c\n");
      file.sync();
      _exit(std::string(e.what()).ends_with("log: cannot be written: File too large") ? 42 : 1);
    }
  });
  CHECK(code == 42);
  CHECK(read_bytes(folder / "log") == std::string(70, 'a') + "\nc\n");
}

TEST_CASE("temporary files are known by their names, and removed where their writer has gone", "[files]") {
  CHECK(is_temporary(".a.safetensors.tmp-12-3", ".safetensors"));
  CHECK(is_temporary(".log.tmp-1-0", ""));
  for (const char* const other : {"a.tmp-12-3", ".a.tmp-12", ".a.tmp-12-x", ".a.tmp-", ".tmp"}) {
    INFO(other);
    CHECK_FALSE(is_temporary(other, ""));
  }
  CHECK_FALSE(is_temporary(".a.nii.tmp-1-2", ".safetensors"));
  const TempFolder folder;
  for (const char* const name : {".a.tmp-12-3", ".b.json.tmp-4-0", ".keep.tmp-x", "tmp-1-2"}) {
    write_bytes(folder / name, "x");
  }
  remove_temporaries(folder.path(), "");
  std::vector<std::string> left;
  for (const auto& e : fs::directory_iterator(folder.path())) { left.push_back(e.path().filename()); }
  std::ranges::sort(left);
  CHECK(left == std::vector<std::string>{".keep.tmp-x", "tmp-1-2"});
  remove_temporaries(folder / "absent", "");
}

TEST_CASE("folders are made with those above them, and a file in the way is an error", "[files]") {
  const TempFolder folder;
  make_folders(folder / "a/b/c/");
  CHECK(fs::is_directory(folder / "a/b/c"));
  make_folders(folder / "a/b");
  make_folders("");
  write_bytes(folder / "file", "x");
  CHECK_THROWS_AS(make_folders(folder / "file"), OutputError);
  CHECK_THROWS_WITH(make_folders(folder / "file/below"), ContainsSubstring("cannot make the folder"));
}

}  // namespace vox::test
