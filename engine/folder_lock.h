#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace vox {

/// One program at a time writes to a folder. A file `.lock` in it is locked by flock(2) and says who holds it; when the
/// holder ends, in whatever way, the lock is free, and a `.lock` that is left without one is taken over. The holder
/// removes the file. Over a network it holds as far as flock does there.
///
/// Throws Error naming the holder (program, process, host, since when) where there is one, OutputError where the file
/// cannot be made.
class FolderLock {
 public:
  /// holder: what the other one is told, such as "voxgrad train".
  FolderLock(const std::filesystem::path& folder, std::string_view holder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  FolderLock(FolderLock&&) = delete;
  FolderLock& operator=(FolderLock&&) = delete;

  /// Why there is no lock: file systems that know none. Empty where it is held.
  [[nodiscard]] const std::string& missing() const { return missing_; }

 private:
  bool open_and_lock(const std::filesystem::path& folder);
  void say_holder(std::string_view holder) const;

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::string missing_;
};

}  // namespace vox
