#include "engine/folder_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

std::string refusal(const fs::path& folder) {
  try {
    const FolderLock second(folder, "second");
  } catch (const Error& e) { return e.what(); }
  return {};
}

/// A process that takes the lock and waits to be killed.
pid_t holder_of(const fs::path& folder) {
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const FolderLock lock(folder, "voxgrad train");
    if (write(ready[1], "x", 1) == 1) { pause(); }
    _exit(1);
  }
  char byte = 0;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  close(ready[0]);
  close(ready[1]);
  return child;
}

}  // namespace

TEST_CASE("a folder's lock names its holder, and ends with it", "[files]") {
  const TempFolder folder;
  const pid_t child = holder_of(folder.path());
  const std::string said = refusal(folder.path());
  CHECK_THAT(said, ContainsSubstring(folder.path().string() + ": is being written to by voxgrad train, process " +
                                     std::to_string(child) + " on "));
  CHECK_THAT(said, ContainsSubstring(", since 2"));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  CHECK(fs::exists(folder / ".lock"));  // left by who was killed
  {
    const FolderLock taken_over(folder.path(), "first");
    CHECK(taken_over.missing().empty());
    CHECK_THAT(refusal(folder.path()), ContainsSubstring("by first, process " + std::to_string(getpid())));
  }
  CHECK_FALSE(fs::exists(folder / ".lock"));
  CHECK(refusal(folder.path()).empty());
}

TEST_CASE("whatever stands in a lock's file, the refusal is one line of text", "[files]") {
  const TempFolder folder;
  const FolderLock held(folder.path(), "first");
  for (const char* const odd :
       {"", "no JSON", "[1, 2]", R"({"program": 3, "process": 1})", R"({"program": "a", "process": -1})"}) {
    write_bytes(folder / ".lock", odd);
    INFO(odd);
    CHECK_THAT(refusal(folder.path()), ContainsSubstring("is being written to by another program; wait"));
  }
  write_bytes(folder / ".lock", "{\"program\": \"a\x1B[2J\n\", \"process\": 7}");
  CHECK_THAT(refusal(folder.path()), ContainsSubstring("by a[2J, process 7 on , since ;"));
  write_bytes(folder / ".lock", std::string(100000, 'x'));
  CHECK(refusal(folder.path()).size() < 400);
}

TEST_CASE("a lock is not taken through a symbolic link, and not where nothing can be written", "[files]") {
  const TempFolder folder;
  write_bytes(folder / "precious", "old");
  fs::create_symlink("precious", folder / ".lock");
  CHECK_THROWS_AS(FolderLock(folder.path(), "x"), OutputError);
  CHECK(read_bytes(folder / "precious") == "old");
  CHECK_THROWS_AS(FolderLock(folder / "absent", "x"), OutputError);
}

}  // namespace vox::test
