#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/check.h"

namespace vox {

// Files as a whole. Whatever cannot be read is a ReadError that names the file and the reason; nothing is taken for
// empty or absent because of one.

/// What the system does not let be read; what is damaged, missing or of another kind is a DataError alone.
class ReadError : public DataError {
 public:
  using DataError::DataError;
};

[[nodiscard]] std::string read_file(const std::filesystem::path&);
/// Nothing where there is no such file.
[[nodiscard]] std::optional<std::string> read_file_if_there(const std::filesystem::path&);
/// Of what somebody else made: a regular file, as a pipe may never end, of so many bytes at most.
[[nodiscard]] std::string read_regular(const std::filesystem::path&,
                                       std::size_t most_bytes = std::numeric_limits<std::size_t>::max());
/// The first so many bytes, fewer where it has fewer; none of what is no regular file.
[[nodiscard]] std::string read_start(const std::filesystem::path&, std::size_t bytes);
/// Piece by piece, for what need not be in memory at once. Returns its length.
std::size_t read_pieces(const std::filesystem::path&, const std::function<void(std::string_view)>& take);

/// For what a user did not name, or what is opened several times: a pipe, whose end may never come, and a device are
/// refused, links followed. Says nothing of what is not there: who opens it does.
void check_regular(const std::filesystem::path&);

/// What stands under a name, links followed: not_found where there is nothing.
[[nodiscard]] std::filesystem::file_type type_of(const std::filesystem::path&);
[[nodiscard]] bool is_folder(const std::filesystem::path&);
[[nodiscard]] bool is_there(const std::filesystem::path&);
/// The same of an entry of a folder; the system is asked only where the folder does not say.
[[nodiscard]] bool is_folder(const std::filesystem::directory_entry&);
[[nodiscard]] bool is_regular(const std::filesystem::directory_entry&);
/// What is in a folder, in no order.
[[nodiscard]] std::vector<std::filesystem::directory_entry> list_folder(const std::filesystem::path& folder);
/// What is in a folder and in those below it, in no order; links to folders are not followed.
[[nodiscard]] std::vector<std::filesystem::directory_entry> list_below(const std::filesystem::path& folder);

}  // namespace vox
