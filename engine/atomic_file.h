#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace vox {

/// A file that appears under its name complete or not at all: written to a hidden temporary in the same folder, fsynced
/// and renamed by commit(), which puts the name on disk as well. Without commit() the temporary is removed. Where the
/// name is a symbolic link, the file it points to is replaced and the link stays. What is no regular file, such as a
/// device, a pipe or /dev/stdout, is written as the bytes come and never replaced. Throws OutputError naming the file
/// and the reason (no such folder, disk full, ...).
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
  void open_target();
  [[noreturn]] void fail_with_errno() const;

  std::filesystem::path path_;       ///< as given: for messages
  std::filesystem::path target_;     ///< what path_ leads to
  std::filesystem::path temporary_;  ///< empty: the target is written directly
  int descriptor_ = -1;
};

/// Whether a name in a folder is that of a temporary file of an AtomicFile whose own name ends so: ".NAME.tmp-12-3".
[[nodiscard]] bool is_temporary(std::string_view name, std::string_view ending);
/// Removes those that a process that was killed has left; for who holds the folder's lock.
void remove_temporaries(const std::filesystem::path& folder, std::string_view ending);

/// The folder and those above it that are not there, each of them on disk. Throws OutputError.
void make_folders(const std::filesystem::path&);
/// What was made, renamed and removed in a folder is on disk. Does nothing where a file system cannot do that with a
/// folder, or where it may not be read. Throws OutputError where it fails.
void sync_folder(const std::filesystem::path&);

/// The whole of a file at once.
void write_file(const std::filesystem::path&, std::span<const std::byte>);
void write_file(const std::filesystem::path&, std::string_view);

}  // namespace vox
