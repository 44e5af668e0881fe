#include <fmt/format.h>

#include <algorithm>

#include "engine/atomic_file.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/safetensors_format.h"
#include "kernels/base/check.h"
#include "kernels/base/size_product.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

std::size_t byte_count(const TensorToWrite& t, const fs::path& path) {
  const std::optional<std::int64_t> count = size_product(t.shape, kMostValues);
  VOX_CHECK(count, "{}: tensor '{}' has an impossible shape, {}", path.string(), t.name, fmt::join(t.shape, "x"));
  return static_cast<std::size_t>(*count) * size_of(t.dtype);
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
  for (const auto& [key, value] : metadata) { header[kMetadataKey][key] = value; }
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
  std::string text = json_text(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  VOX_CHECK(text.size() <= kMaxHeaderBytes, "{}: a header of {} bytes, at most {} can be read back", path.string(),
            text.size(), kMaxHeaderBytes);
  return text;
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
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::as_bytes(std::span(header)));
  for (const TensorToWrite* t : order) { file.write(t->bytes); }
  file.commit();
}

}  // namespace vox
