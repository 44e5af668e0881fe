#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

namespace vox {

/// Closes what it holds; -1: nothing.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

/// A file opened to be read, and what it is: asked of what has been opened and not of the name, under which something
/// else may stand by then.
struct OpenFile {
  Descriptor descriptor;  ///< holds nothing where it could not be opened, or is no regular file
  int error = 0;          ///< errno where it could not be opened or asked
  std::filesystem::file_type type = std::filesystem::file_type::none;  ///< not_found where there is nothing
  std::uint64_t bytes = 0;                                             ///< of a regular file
};

/// For what somebody else made: waits for nobody to write into a pipe, and gives a descriptor of regular files alone.
[[nodiscard]] OpenFile open_regular(const std::filesystem::path&);

}  // namespace vox
