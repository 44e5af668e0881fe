#include "engine/read_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {

namespace fs = std::filesystem;

TEST_CASE("a file is read whole, in pieces or from its start", "[files]") {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 3'000'000; ++i) { text += static_cast<char>(i % 251); }
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{1} << 16U, text.size()}) {
    write_bytes(folder / "f", text.substr(0, length));
    CHECK(read_file(folder / "f") == text.substr(0, length));
    CHECK(read_file_if_there(folder / "f") == text.substr(0, length));
    CHECK(read_start(folder / "f", 100) == text.substr(0, std::min<std::size_t>(length, 100)));
    std::string pieces;
    CHECK(read_pieces(folder / "f", [&](std::string_view piece) { pieces += piece; }) == length);
    CHECK(pieces == text.substr(0, length));
  }
}

TEST_CASE("what somebody else made is read from a regular file alone, and so much of it at most", "[files]") {
  const TempFolder folder;
  write_bytes(folder / "f", std::string(100'000, 'x'));
  CHECK(read_regular(folder / "f", 100'000) == std::string(100'000, 'x'));
  CHECK_THROWS_WITH(read_regular(folder / "f", 99'999), ContainsSubstring("f: has more than 99999 bytes"));
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  fs::create_symlink("pipe", folder / "link");
  for (const fs::path& path : {folder / "pipe", folder / "link", folder.path(), fs::path("/dev/zero")}) {
    CHECK_THROWS_WITH(read_regular(path, 10), ContainsSubstring(path.string() + ": is no regular file"));
    CHECK(read_start(path, 10).empty());
  }
  CHECK_THROWS_WITH(read_regular(folder / "none", 10), ContainsSubstring("none: cannot open: No such file"));
  CHECK_THROWS_WITH(read_start(folder / "none", 10), ContainsSubstring("none: cannot open: No such file"));
}

TEST_CASE("what cannot be read is an error, not something empty or absent", "[files]") {
  const TempFolder folder;
  CHECK_THROWS_WITH(read_file(folder / "none"), ContainsSubstring("none: cannot open: No such file or directory"));
  CHECK(read_file_if_there(folder / "none") == std::nullopt);
  CHECK_THROWS_AS(read_file(folder.path()), DataError);
  CHECK_THROWS_WITH(read_file_if_there(folder.path()), ContainsSubstring("cannot be read: Is a directory"));
  write_bytes(folder / "f", "x");
  CHECK(is_there(folder / "f"));
  CHECK_FALSE(is_there(folder / "none"));
  CHECK_FALSE(is_there(folder / "f/below"));
  CHECK_FALSE(is_folder(folder / "f"));
  CHECK(is_folder(folder.path()));
  fs::create_symlink("circle", folder / "circle");
  CHECK_THROWS_WITH(is_there(folder / "circle"), ContainsSubstring("circle: cannot be read: Too many levels"));
  std::set<std::string> names;
  for (const fs::directory_entry& e : list_folder(folder.path())) { names.insert(e.path().filename()); }
  CHECK(names == std::set<std::string>{"circle", "f"});
  CHECK_THROWS_WITH(list_folder(folder / "none"), ContainsSubstring("none: cannot be read: No such file"));
}

TEST_CASE("a folder is listed with what is below, and what it holds is told apart", "[files]") {
  const TempFolder folder;
  fs::create_directories(folder / "a/b");
  write_bytes(folder / "a/f", "x");
  write_bytes(folder / "a/b/g", "x");
  fs::create_directory_symlink(folder.path(), folder / "a/up");
  fs::create_symlink("circle", folder / "circle");
  fs::create_symlink("nowhere", folder / "dangling");
  const auto names_of = [&](const std::vector<fs::directory_entry>& entries) {
    std::set<std::string> names;
    for (const fs::directory_entry& e : entries) { names.insert(e.path().lexically_relative(folder.path()).string()); }
    CHECK(names.size() == entries.size());
    return names;
  };
  CHECK(names_of(list_folder(folder.path())) == std::set<std::string>{"a", "circle", "dangling"});
  CHECK(names_of(list_below(folder.path())) ==
        std::set<std::string>{"a", "circle", "dangling", "a/b", "a/f", "a/up", "a/b/g"});
  for (const fs::directory_entry& e : list_below(folder.path())) {
    const std::string name = e.path().filename().string();
    INFO(name);
    CHECK(is_folder(e) == (name == "a" || name == "b" || name == "up"));
    CHECK(is_regular(e) == (name == "f" || name == "g"));
  }
  fs::create_symlink(std::string(300, 'n'), folder / "long");  // of which nothing can be told
  for (const fs::directory_entry& e : list_folder(folder.path())) {
    if (e.path().filename() != "long") { continue; }
    CHECK_THROWS_AS(is_folder(e), ReadError);
    CHECK_THROWS_WITH(is_regular(e), ContainsSubstring("long: cannot be read: File name too long"));
  }
  CHECK_THROWS_WITH(list_below(folder / "none"), ContainsSubstring("none: cannot be read: No such file"));
}

}  // namespace vox::test
