#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/types.h"

namespace vox {

struct Packed;

struct ReleaseBytes {
  Device device = Device::cpu;
  std::size_t bytes = 0;
  bool dry = false;  ///< address space of a dry run
  void operator()(std::byte*) const noexcept;
};

/// Owns bytes on one device and gives them back to its allocator when it dies.
class Storage {
 public:
  Storage() = default;
  Storage(std::size_t bytes, Device);

  [[nodiscard]] std::byte* data() {
    ++writes_;
    return bytes_.get();
  }
  [[nodiscard]] const std::byte* data() const { return bytes_.get(); }
  [[nodiscard]] std::size_t size_bytes() const { return bytes_ ? bytes_.get_deleter().bytes : 0; }
  /// How often somebody asked for the bytes to write them: as long as it is the same, so are they.
  [[nodiscard]] std::uint64_t writes() const { return writes_; }

  std::shared_ptr<Packed> packed;  ///< of a weight: what was made of its values

 private:
  std::unique_ptr<std::byte, ReleaseBytes> bytes_;
  std::uint64_t writes_ = 0;
};

}  // namespace vox
