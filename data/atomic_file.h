#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace vox {

/// A file that appears under its name complete or not at all: written to a hidden temporary in the same folder, fsynced
/// and renamed by commit(). Without commit() the temporary is removed. Throws DataError naming the file and the reason
/// (no such folder, disk full, ...).
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  AtomicFile(AtomicFile&&) = delete;
  AtomicFile& operator=(AtomicFile&&) = delete;

  void write(std::span<const std::byte>);
  void commit();

 private:
  [[noreturn]] void fail_with_errno(const char* doing) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

}  // namespace vox
