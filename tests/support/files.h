#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace vox::test {

/// A fresh folder, removed at the end of the scope.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  TempFolder(TempFolder&&) = delete;
  TempFolder& operator=(TempFolder&&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

[[nodiscard]] std::string read_bytes(const std::filesystem::path&);
void write_bytes(const std::filesystem::path&, const std::string&);

/// A folder of real scans, which the licences do not let us ship: $VOXGRAD_DATA/NAME or ../shared/data/NAME beside the
/// source tree. Empty, with a printed warning, where it is absent: the test then checks nothing.
[[nodiscard]] std::optional<std::filesystem::path> real_data(const std::string& name);

}  // namespace vox::test
