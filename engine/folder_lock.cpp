#include "engine/folder_lock.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <optional>
#include <system_error>

#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

std::string reason(int number) { return std::generic_category().message(number); }

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "an unknown host";
}

/// What stands in the file: at most so much is read, and nothing that a terminal would obey is passed on.
std::string content_of(int descriptor) {
  std::array<char, 1024> text{};
  const ssize_t n = pread(descriptor, text.data(), text.size(), 0);
  std::string content(text.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  std::erase_if(content, [](unsigned char c) { return c < ' ' || c == 0x7F; });
  return content;
}

/// "voxgrad train, process 12 on n1, since 2026-11-28 05:40:11 UTC".
std::string holder_in(int descriptor) {
  const Json said = Json::try_parse(content_of(descriptor)).value_or(nullptr);
  const auto text = [&](const char* key) {
    const Json* const value = said.is_object() ? said.find(key) : nullptr;
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
  };
  const Json* const process = said.is_object() ? said.find("process") : nullptr;
  if (text("program").empty() || process == nullptr || !process->is_number_unsigned()) { return "another program"; }
  return fmt::format("{}, process {} on {}, since {}", text("program"), process->get<std::uint64_t>(), text("host"),
                     text("since"));
}

/// Is what has been opened still what stands under the name? The holder before may have removed it meanwhile. Nothing
/// where it cannot be told, the reason in errno: to open it again would be no better.
std::optional<bool> stands_there(int descriptor, const fs::path& file) {
  struct stat opened {};
  struct stat named {};
  if (fstat(descriptor, &opened) != 0) { return std::nullopt; }
  if (lstat(file.c_str(), &named) != 0) { return errno == ENOENT ? std::optional(false) : std::nullopt; }
  return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder, std::string_view holder) : file_(folder / ".lock") {
  while (!open_and_lock(folder)) {}
  if (missing_.empty()) { say_holder(holder); }
}

/// False where the file was removed in between.
bool FolderLock::open_and_lock(const fs::path& folder) {
  constexpr int kMode = 0666;
  descriptor_ = open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kMode);
  if (descriptor_ < 0) { VOX_FAIL_OUTPUT("{}: cannot be written: {}", file_.string(), reason(errno)); }
  int locked = 0;
  do { locked = flock(descriptor_, LOCK_EX | LOCK_NB); } while (locked != 0 && errno == EINTR);
  if (locked == 0) {
    const std::optional<bool> there = stands_there(descriptor_, file_);
    if (there == true) { return true; }
    const int number = errno;
    close(descriptor_);
    if (!there) { VOX_FAIL_OUTPUT("{}: cannot be written: {}", file_.string(), reason(number)); }
    return false;
  }
  const int number = errno;
  const std::string other = number == EWOULDBLOCK ? holder_in(descriptor_) : std::string();
  if (number != EWOULDBLOCK) { unlink(file_.c_str()); }  // no use to anybody
  close(descriptor_);
  descriptor_ = -1;
  VOX_CHECK(number != EWOULDBLOCK, "{}: is being written to by {}; wait until it ends, or give another folder",
            folder.string(), other);
  missing_ = fmt::format("{} cannot be locked ({}): nothing keeps a second program from writing there", folder.string(),
                         reason(number));
  return true;
}

/// Where this fails the lock is held all the same; the other one reads "another program".
void FolderLock::say_holder(std::string_view holder) const {
  const std::time_t now = std::time(nullptr);
  const std::string text = json_text({{"program", holder},
                                      {"process", static_cast<std::uint64_t>(getpid())},
                                      {"host", host_name()},
                                      {"since", fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(now))}}) +
                           "\n";
  [[maybe_unused]] const bool said =
      ftruncate(descriptor_, 0) == 0 && pwrite(descriptor_, text.data(), text.size(), 0) >= 0;
}

FolderLock::~FolderLock() {
  if (descriptor_ < 0) {  // without a lock the file is not ours
    return;
  }
  unlink(file_.c_str());  // while it is held: who opens it next sees that it is gone
  close(descriptor_);
}

}  // namespace vox
