#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/safetensors_format.h"
#include "kernels/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::size_t byte_count(const TensorToWrite& t, const fs::path& path) {
  std::size_t count = size_of(t.dtype);
  for (const std::int64_t extent : t.shape) {
    VOX_CHECK(extent >= 0 && !__builtin_mul_overflow(count, static_cast<std::size_t>(extent), &count),
              "{}: tensor '{}' has an impossible extent {}", path.string(), t.name, extent);
  }
  return count;
}

/// Tensors of wide types first, so that every tensor starts at a multiple of its own value size, without gaps.
std::vector<const TensorToWrite*> file_order(const std::vector<TensorToWrite>& tensors) {
  std::vector<const TensorToWrite*> order;
  order.reserve(tensors.size());
  for (const TensorToWrite& t : tensors) { order.push_back(&t); }
  std::ranges::stable_sort(
      order, [](const TensorToWrite* a, const TensorToWrite* b) { return size_of(a->dtype) > size_of(b->dtype); });
  return order;
}

std::string header_of(const std::vector<const TensorToWrite*>& tensors, const Metadata& metadata,
                      const fs::path& path) {
  Json header = Json::object();
  if (!metadata.empty()) { header[std::string(kMetadataKey)] = metadata; }
  std::size_t offset = 0;
  for (const TensorToWrite* t : tensors) {
    const std::size_t bytes = byte_count(*t, path);
    VOX_CHECK(t->name != kMetadataKey && !header.contains(t->name), "{}: tensor name '{}' is taken", path.string(),
              t->name);
    VOX_CHECK(t->bytes.size() == bytes, "{}: tensor '{}' has {} bytes, its shape wants {}", path.string(), t->name,
              t->bytes.size(), bytes);
    header[t->name] = {
        {"dtype", entry(t->dtype).name}, {"shape", t->shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception& e) { VOX_FAIL("{}: a name or metadata is not UTF-8: {}", path.string(), e.what()); }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  VOX_CHECK(text.size() <= kMaxHeaderBytes, "{}: a header of {} bytes, at most {} can be read back", path.string(),
            text.size(), kMaxHeaderBytes);
  return text;
}

void write_all(int fd, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) { continue; }
    VOX_CHECK_DATA(n > 0, "{}: cannot write: {}", path.string(), system_error());
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

/// The temporary name is unique in the process and between processes, so writers never share one.
fs::path temporary_beside(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  return path.parent_path() / fmt::format(".{}.tmp-{}-{}", path.filename().string(), ::getpid(), counter++);
}

void sync_folder(const fs::path& folder) {
  const Descriptor fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() >= 0) { ::fsync(fd.get()); }  // some file systems refuse this; the rename itself stands
}

}  // namespace

FileDType file_dtype(DType t) {
  switch (t) {
    case DType::f32:
      return FileDType::f32;
    case DType::f64:
      return FileDType::f64;
    case DType::bf16:
      return FileDType::bf16;
    case DType::u8:
      return FileDType::u8;
  }
  VOX_FAIL("unknown dtype");
}

std::size_t size_of(FileDType t) { return entry(t).bytes; }

void write_safetensors(const fs::path& path, const std::vector<TensorToWrite>& tensors, const Metadata& metadata) {
  const std::vector<const TensorToWrite*> order = file_order(tensors);
  const std::string header = header_of(order, metadata, path);
  const std::uint64_t length = header.size();
  const fs::path temporary = temporary_beside(path);
  try {
    {
      const Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
      VOX_CHECK_DATA(fd.get() >= 0, "{}: cannot create {}: {}", path.string(), temporary.string(), system_error());
      write_all(fd.get(), std::as_bytes(std::span(&length, 1)), path);
      write_all(fd.get(), std::as_bytes(std::span(header)), path);
      for (const TensorToWrite* t : order) { write_all(fd.get(), t->bytes, path); }
      VOX_CHECK_DATA(::fsync(fd.get()) == 0, "{}: cannot write: {}", path.string(), system_error());
    }
    VOX_CHECK_DATA(::rename(temporary.c_str(), path.c_str()) == 0, "{}: cannot rename {} to it: {}", path.string(),
                   temporary.string(), system_error());
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(path.parent_path());
}

}  // namespace vox
