#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace vox {

/// The one exception type of the library. what() is a sentence for the user; where() is "file:line" for us.
class Error : public std::runtime_error {
 public:
  Error(const std::string& message, std::string where) : std::runtime_error(message), where_(std::move(where)) {}
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  std::string where_;
};

/// Bad input: a file or a data set that is not what it should be. The program exits 3.
class DataError : public Error {
 public:
  using Error::Error;
};

/// An output that cannot be written: full disk, no permission. The program exits 2.
class OutputError : public Error {
 public:
  using Error::Error;
};

/// Something does not fit in memory. The program exits 4.
class MemoryError : public Error {
 public:
  using Error::Error;
};

/// A loss, a gradient or a weight is NaN or infinite. The program exits 5.
class NonFiniteError : public Error {
 public:
  using Error::Error;
};

template <class E = Error> [[noreturn]] void fail(const char* file, int line, const std::string& message) {
  throw E(message, fmt::format("{}:{}", file, line));
}

/// For what a caller can get wrong; on in every build. The message names the op, what it got, what it wanted.
#define VOX_CHECK(condition, ...)                \
  do {                                           \
    if (!(condition)) { VOX_FAIL(__VA_ARGS__); } \
  } while (false)

/// The same for what a user's file can get wrong: the message names the file, what was found, what was wanted.
#define VOX_CHECK_DATA(condition, ...)                \
  do {                                                \
    if (!(condition)) { VOX_FAIL_DATA(__VA_ARGS__); } \
  } while (false)

/// For what must not happen, and for the end of a switch over an enum.
#define VOX_FAIL(...) ::vox::fail<::vox::Error>(__FILE__, __LINE__, ::fmt::format(__VA_ARGS__))
#define VOX_FAIL_DATA(...) ::vox::fail<::vox::DataError>(__FILE__, __LINE__, ::fmt::format(__VA_ARGS__))

/// For a file that cannot be written: the message names it and the reason.
#define VOX_FAIL_OUTPUT(...) ::vox::fail<::vox::OutputError>(__FILE__, __LINE__, ::fmt::format(__VA_ARGS__))

}  // namespace vox
