#pragma once

#include <filesystem>
#include <string_view>

namespace vox {

/// A file that grows at its end, piece by piece. Each is there when append() returns, as far as other programs see, and
/// on disk after sync(). Of a piece that cannot be written whole nothing stays. Throws OutputError naming the file and
/// the reason.
class AppendFile {
 public:
  /// Makes it where there is none.
  explicit AppendFile(std::filesystem::path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  AppendFile(AppendFile&&) = delete;
  AppendFile& operator=(AppendFile&&) = delete;

  void append(std::string_view);
  void sync();

 private:
  [[noreturn]] void fail_with(int number) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace vox
