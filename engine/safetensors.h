#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/types.h"

namespace vox {

/// The safetensors format of Hugging Face: eight bytes of little-endian header length, a JSON header with dtype, shape
/// and byte range per tensor and string metadata, then the bytes, C order. Readable from Python without us. dtypes:
/// F32, F64, BF16, U8, I64.
enum class FileDType : std::uint8_t { f32, f64, bf16, u8, i64 };
[[nodiscard]] FileDType file_dtype(DType);
[[nodiscard]] std::size_t size_of(FileDType);

struct TensorToWrite {
  std::string name;
  FileDType dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  ///< borrowed until write_safetensors() returns
};

using Metadata = std::map<std::string, std::string>;

/// As an AtomicFile: after a crash there is the old file or the new one. Throws OutputError where it cannot be written.
/// The header is JSON: names and metadata that are not UTF-8 are written through utf8_text(), and read back so.
void write_safetensors(const std::filesystem::path&, const std::vector<TensorToWrite>&, const Metadata&);

struct TensorInFile {
  FileDType dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  ///< in the mapped file: valid while the SafetensorsFile lives
};

/// A file mapped into memory: one that another program cuts short meanwhile is a SIGBUS, see engine/mapped_files.h.
/// Programs replace such files by others of the same name, as write_safetensors() does, and then what is mapped stays.
/// Every length and range is checked before use; throws DataError naming the file, what was
/// found and what was wanted.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path&);

  [[nodiscard]] const std::map<std::string, TensorInFile>& tensors() const;
  [[nodiscard]] const Metadata& metadata() const;
  [[nodiscard]] bool has(const std::string& name) const;
  [[nodiscard]] const TensorInFile& tensor(const std::string& name) const;  ///< throws DataError when absent
  /// The values, aligned and copied when needed. T: float, double, std::uint8_t, std::int64_t.
  template <class T> [[nodiscard]] std::vector<T> read(const std::string& name) const;
  [[nodiscard]] const std::string& meta(const std::string& key) const;  ///< throws DataError when absent

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace vox
