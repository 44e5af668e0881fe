#include "engine/read_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <limits>
#include <system_error>
#include <utility>

#include "engine/open_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, int number, std::string_view what = "cannot be read") {
  vox::fail<ReadError>(__FILE__, __LINE__,
                       fmt::format("{}: {}: {}", path.string(), what, std::generic_category().message(number)));
}

class Reader {
 public:
  explicit Reader(fs::path path)
      : path_(std::move(path)), descriptor_(open(path_.c_str(), O_RDONLY | O_CLOEXEC)), error_(errno) {}
  Reader(fs::path path, OpenFile file)
      : path_(std::move(path)), descriptor_(std::move(file.descriptor)), error_(file.error) {}

  [[nodiscard]] bool absent() const { return descriptor_.get() < 0 && error_ == ENOENT; }
  /// Up to so many bytes; fewer at the end alone.
  void read(std::string& piece, std::size_t bytes) {
    if (descriptor_.get() < 0) { fail(path_, error_, "cannot open"); }
    piece.resize(bytes);
    std::size_t have = 0;
    while (have < bytes) {
      const ssize_t n = ::read(descriptor_.get(), piece.data() + have, bytes - have);
      if (n < 0 && errno == EINTR) { continue; }
      if (n < 0) { fail(path_, errno); }
      if (n == 0) { break; }
      have += static_cast<std::size_t>(n);
    }
    piece.resize(have);
  }
  /// More than `most` only by what was read last.
  std::string rest(std::size_t most = std::numeric_limits<std::size_t>::max()) {
    constexpr std::size_t kPiece = std::size_t{1} << 16U;
    struct stat status {};
    const bool known = descriptor_.get() >= 0 && fstat(descriptor_.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                       status.st_size > 0;
    std::size_t wanted = known ? std::min(most - 1, static_cast<std::size_t>(status.st_size)) + 1 : kPiece;
    std::string all;
    read(all, wanted);
    std::string piece;
    for (bool more = all.size() == wanted; more && all.size() <= most; more = piece.size() == wanted) {
      wanted = std::max(kPiece, all.size());  // ever longer ones
      read(piece, wanted);
      all += piece;
    }
    return all;
  }

 private:
  fs::path path_;
  Descriptor descriptor_;
  int error_;
};

}  // namespace

std::string read_file(const fs::path& path) { return Reader(path).rest(); }

std::optional<std::string> read_file_if_there(const fs::path& path) {
  Reader reader(path);
  if (reader.absent()) { return std::nullopt; }
  return reader.rest();
}

std::string read_regular(const fs::path& path, std::size_t most_bytes) {
  OpenFile file = open_regular(path);
  VOX_CHECK_DATA(file.error != 0 || file.type == fs::file_type::regular, "{}: is no regular file", path.string());
  Reader reader(path, std::move(file));
  std::string text = reader.rest(most_bytes);
  VOX_CHECK_DATA(text.size() <= most_bytes, "{}: has more than {} bytes", path.string(), most_bytes);
  return text;
}

std::string read_start(const fs::path& path, std::size_t bytes) {
  OpenFile file = open_regular(path);
  std::string start;
  if (file.error == 0 && file.type != fs::file_type::regular) { return start; }
  Reader reader(path, std::move(file));
  reader.read(start, bytes);
  return start;
}

std::size_t read_pieces(const fs::path& path, const std::function<void(std::string_view)>& take) {
  Reader reader(path);
  std::size_t total = 0;
  std::string piece;
  for (;;) {
    reader.read(piece, std::size_t{1} << 20U);
    if (piece.empty()) { return total; }
    total += piece.size();
    take(piece);
  }
}

fs::file_type type_of(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  if (type == fs::file_type::none) { fail(path, error.value()); }
  return type;
}

void check_regular(const fs::path& path) {
  const fs::file_type type = type_of(path);
  VOX_CHECK_DATA(type == fs::file_type::regular || type == fs::file_type::not_found, "{}: is {}, wants a file",
                 path.string(), type == fs::file_type::directory ? "a folder" : "no regular file");
}

bool is_folder(const fs::path& path) { return type_of(path) == fs::file_type::directory; }
bool is_there(const fs::path& path) { return type_of(path) != fs::file_type::not_found; }

namespace {

/// A link that leads in a circle leads nowhere.
bool is(fs::file_type wanted, const fs::directory_entry& entry, bool told, const std::error_code& error) {
  if (!error || error == std::errc::too_many_symbolic_link_levels) { return told; }
  return type_of(entry.path()) == wanted;
}

}  // namespace

bool is_folder(const fs::directory_entry& entry) {
  std::error_code error;
  const bool told = entry.is_directory(error);
  return is(fs::file_type::directory, entry, told, error);
}

bool is_regular(const fs::directory_entry& entry) {
  std::error_code error;
  const bool told = entry.is_regular_file(error);
  return is(fs::file_type::regular, entry, told, error);
}

std::vector<fs::directory_entry> list_folder(const fs::path& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(*it);
  }
  if (error) { fail(folder, error.value()); }
  return entries;
}

std::vector<fs::directory_entry> list_below(const fs::path& folder) {
  std::vector<fs::directory_entry> entries = list_folder(folder);
  for (std::size_t i = 0; i < entries.size(); ++i) {  // it grows
    const fs::directory_entry entry = entries[i];
    std::error_code error;
    if (entry.is_symlink(error) || !is_folder(entry)) { continue; }
    std::ranges::move(list_folder(entry.path()), std::back_inserter(entries));
  }
  return entries;
}

}  // namespace vox
