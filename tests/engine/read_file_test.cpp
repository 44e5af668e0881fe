#include "engine/read_file.h"

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

}  // namespace vox::test
