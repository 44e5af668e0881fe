#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/nifti/nifti.h"
#include "engine/open_file.h"

namespace vox {

/// Throws NiftiError; where() is the caller.
[[noreturn]] void refuse(NiftiFault, const std::string& message, const char* file = __builtin_FILE(),
                         int line = __builtin_LINE());

/// The bytes of a file, decompressed when its content is gzip, whatever its name. nifti_clib's own reader is not used
/// for voxels: it replaces non-finite values by zero and passes over a damaged gzip trailer, both without a word.
class ByteSource {
 public:
  explicit ByteSource(std::filesystem::path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  ByteSource(ByteSource&&) = delete;
  ByteSource& operator=(ByteSource&&) = delete;

  /// Fills `to` as far as the file goes; returns how many bytes came. Throws for damaged gzip data.
  [[nodiscard]] std::size_t read(std::span<std::byte> to);
  /// All of a gzip file's content at once, from its first byte on, whatever read() has delivered: how many bytes of
  /// `to` it fills, check sum and length tested. Nothing where it is not one gzip member that fits: read() and finish()
  /// then do the work, and say what is wrong with a damaged file.
  [[nodiscard]] std::optional<std::size_t> whole(std::span<std::byte> to);
  /// Reads on to the end, so that the gzip length and check sum are tested. More than 64 KiB after the voxels is an
  /// error: a header that is wrong, or a decompression bomb.
  static constexpr std::size_t kMostSurplusBytes = std::size_t{1} << 16U;
  void finish();
  /// No file of this size can hold more: what keeps a hostile header from reserving terabytes.
  [[nodiscard]] std::uint64_t most_bytes() const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  [[nodiscard]] std::size_t read_file(std::span<std::byte> to);
  [[nodiscard]] std::size_t inflate_into(std::span<std::byte> to);
  [[nodiscard]] bool refill();
  [[nodiscard]] bool next_member();

  std::filesystem::path path_;
  std::uint64_t file_bytes_ = 0;
  std::size_t chunk_bytes_ = 0;
  std::uint64_t delivered_ = 0;
  Descriptor descriptor_;
  bool gzip_ = false;
  bool member_ended_ = false;
  z_stream stream_{};
  std::vector<std::byte> input_;  ///< compressed, or the plain bytes read while looking for the gzip magic
  std::size_t input_at_ = 0;      ///< of the plain bytes, the first not yet delivered
};

}  // namespace vox
