#include "engine/safetensors.h"

#include <sys/mman.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/mapped_files.h"
#include "engine/open_file.h"
#include "engine/safetensors_format.h"
#include "kernels/base/check.h"
#include "kernels/base/size_product.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

std::string reason(int number) { return std::generic_category().message(number); }

/// A pickle of protocol 2 or later names it; one of protocol 0 or 1 starts with a dictionary, a list, or a class, which
/// is 'c', a module and a name, a line each: "ccollections\nOrderedDict\n(".
bool is_pickle(std::string_view start) {
  if (start.size() >= 2 && start[0] == '\x80') { return start[1] >= 2 && start[1] <= 5; }
  for (const std::string_view opening : {"(dp", "(lp", "}q", "]q"}) {
    if (start.starts_with(opening)) { return true; }
  }
  if (!start.starts_with('c')) { return false; }
  start.remove_prefix(1);
  for (int line = 0; line < 2; ++line) {
    const std::size_t end = start.find('\n');
    const auto is_name = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
    };
    if (end == 0 || end == std::string_view::npos || !std::ranges::all_of(start.substr(0, end), is_name)) {
      return false;
    }
    start.remove_prefix(end + 1);
  }
  return start.starts_with('(') || start.starts_with('p') || start.starts_with('q') || start.starts_with(')');
}

/// What a file that is no safetensors file is, as far as its first bytes tell; empty where they tell nothing.
std::string_view guess(std::string_view start) {
  const auto at = [&](std::size_t where, std::string_view magic) {
    return start.size() >= where + magic.size() && start.substr(where, magic.size()) == magic;
  };
  if (at(0, "PK\x03\x04") || at(0, "PK\x05\x06")) {
    return "a zip archive, as PyTorch's .pt and .pth are (safetensors.torch.save_file converts what torch.load reads)";
  }
  if (is_pickle(start)) {
    return "a Python pickle, as PyTorch's older .pt and .pth are (safetensors.torch.save_file converts what torch.load "
           "reads)";
  }
  if (at(0, "\x89HDF")) { return "an HDF5 file, as Keras' .h5 is"; }
  if (at(0, "\x1f\x8b")) { return "gzip-compressed"; }
  if (at(0, "\x93NUMPY")) { return "a NumPy .npy file"; }
  if (at(344, "n+1") || at(344, "ni1") || at(4, "n+2") || at(4, "ni2")) { return "a NIfTI file"; }
  return {};
}

/// Parses the header; keys must differ within their object, and an item of a shape is the deepest that it has.
Json parse_header(std::string_view text, const std::string& file) {
  try {
    Json header = Json::parse(text, {.depth = 4, .unique_keys = true});
    VOX_CHECK_DATA(header.is_object(), "{}: the header is JSON but no object", file);
    return header;
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: the header {}", file, e.what()); }
}

std::uint64_t unsigned_number(const Json& value, const std::string& name, std::string_view what,
                              const std::string& file) {
  VOX_CHECK_DATA(value.is_number_unsigned(), "{}: tensor '{}': {} holds {}, wants a whole number", file, name, what,
                 json_text(value).substr(0, 40));
  return value.get<std::uint64_t>();
}

TensorInFile parse_tensor(const std::string& name, const Json& item, std::span<const std::byte> data,
                          const std::string& file) {
  VOX_CHECK_DATA(item.is_object() && item.contains("dtype") && item["dtype"].is_string() && item.contains("shape") &&
                     item["shape"].is_array() && item.contains("data_offsets") && item["data_offsets"].is_array() &&
                     item["data_offsets"].size() == 2,
                 "{}: tensor '{}' wants a dtype, a shape and two data_offsets", file, name);
  const auto dtype = item["dtype"].get<std::string>();
  const auto* const known = std::ranges::find(kDTypes, std::string_view(dtype), &DTypeName::name);
  VOX_CHECK_DATA(known != kDTypes.end(), "{}: tensor '{}' is {}, wants F32, F64, BF16, U8 or I64", file, name, dtype);
  TensorInFile t{known->dtype, {}, {}};
  const auto exceeds = [&] {
    VOX_FAIL_DATA("{}: tensor '{}' of shape {} exceeds any file", file, name, json_text(item["shape"]));
  };
  for (const Json& extent : item["shape"]) {
    const std::uint64_t n = unsigned_number(extent, name, "the shape", file);
    if (!std::in_range<std::int64_t>(n)) { exceeds(); }
    t.shape.push_back(static_cast<std::int64_t>(n));
  }
  const std::optional<std::int64_t> count = size_product(t.shape, kMostValues);
  if (!count) { exceeds(); }
  const std::uint64_t bytes = static_cast<std::uint64_t>(*count) * known->bytes;
  const std::uint64_t begin = unsigned_number(item["data_offsets"][0], name, "data_offsets", file);
  const std::uint64_t end = unsigned_number(item["data_offsets"][1], name, "data_offsets", file);
  VOX_CHECK_DATA(begin <= end && end <= data.size(),
                 "{}: tensor '{}' lies in bytes {} to {}, but the file holds {} bytes of data: truncated?", file, name,
                 begin, end, data.size());
  VOX_CHECK_DATA(end - begin == bytes, "{}: tensor '{}' has {} bytes, its shape {} of {} wants {}", file, name,
                 end - begin, json_text(item["shape"]), dtype, bytes);
  t.bytes = data.subspan(begin, end - begin);
  return t;
}

/// Every byte belongs to one tensor, as the format demands: nothing overlaps, nothing hides between tensors.
void check_cover(const std::map<std::string, TensorInFile>& tensors, std::span<const std::byte> data,
                 const std::string& file) {
  std::vector<const std::pair<const std::string, TensorInFile>*> order;
  order.reserve(tensors.size());
  for (const auto& item : tensors) { order.push_back(&item); }
  std::ranges::stable_sort(order, [](const auto* a, const auto* b) {
    return std::pair(a->second.bytes.data(), a->second.bytes.size()) <
           std::pair(b->second.bytes.data(), b->second.bytes.size());
  });
  const std::byte* next = data.data();
  for (const auto* item : order) {
    const std::span<const std::byte> bytes = item->second.bytes;
    VOX_CHECK_DATA(bytes.data() == next, "{}: tensor '{}' starts at byte {}, wants {}, where the one before it ends",
                   file, item->first, bytes.data() - data.data(), next - data.data());
    next += bytes.size();
  }
  VOX_CHECK_DATA(next == data.data() + data.size(), "{}: holds {} bytes of data, its tensors only {}", file,
                 data.size(), next - data.data());
}

template <class T> constexpr FileDType kFileDType = FileDType::f32;
template <> constexpr FileDType kFileDType<double> = FileDType::f64;
template <> constexpr FileDType kFileDType<std::uint8_t> = FileDType::u8;
template <> constexpr FileDType kFileDType<std::int64_t> = FileDType::i64;

}  // namespace

struct SafetensorsFile::Impl {
  explicit Impl(const fs::path& path) : file(path.string()) {
    map();
    try {
      parse();
    } catch (...) {
      unmap();
      throw;
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { unmap(); }

  void map() {
    const OpenFile opened = open_regular(file);
    VOX_CHECK_DATA(opened.error == 0, "{}: cannot open: {}", file, reason(opened.error));
    VOX_CHECK_DATA(opened.type == fs::file_type::regular, "{}: is no regular file, wants a safetensors file", file);
    const std::size_t size = opened.bytes;
    if (size == 0) { return; }  // cannot be mapped
    void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, opened.descriptor.get(), 0);
    VOX_CHECK_DATA(start != MAP_FAILED, "{}: cannot map {} bytes: {}", file, size, reason(errno));
    mapped = {static_cast<const std::byte*>(start), size};
    watch_mapping(mapped, file.c_str());
  }

  void unmap() {
    if (mapped.empty()) { return; }
    forget_mapping(mapped);
    ::munmap(const_cast<std::byte*>(mapped.data()), mapped.size());
  }

  void parse() {
    const std::string_view text(reinterpret_cast<const char*>(mapped.data()), mapped.size());
    std::uint64_t length = 0;
    text.copy(reinterpret_cast<char*>(&length), kLengthBytes);
    const bool opens = text.size() > kLengthBytes && text[kLengthBytes] == '{';
    if (!opens || length > kMaxHeaderBytes) {
      const std::string_view what = guess(text.substr(0, 512));
      VOX_CHECK_DATA(what.empty(), "{}: is {}, wants a safetensors file", file, what);
    }
    VOX_CHECK_DATA(text.size() >= kLengthBytes, "{}: has {} bytes, a safetensors file wants at least 8", file,
                   text.size());
    VOX_CHECK_DATA(opens, "{}: is no safetensors file", file);
    VOX_CHECK_DATA(length <= mapped.size() - kLengthBytes && length <= kMaxHeaderBytes,
                   "{}: announces a header of {} bytes, but has {} bytes (at most {} are read): truncated?", file,
                   length, mapped.size(), kMaxHeaderBytes);
    const Json header = parse_header(text.substr(kLengthBytes, length), file);
    const std::span<const std::byte> data = mapped.subspan(kLengthBytes + length);
    for (const auto& [key, value] : header.items()) {
      if (key == kMetadataKey) {
        read_metadata(value);
      } else {
        tensors.emplace(key, parse_tensor(key, value, data, file));
      }
    }
    check_cover(tensors, data, file);
  }

  void read_metadata(const Json& value) {
    VOX_CHECK_DATA(value.is_object(), "{}: __metadata__ is no object", file);
    for (const auto& [key, text] : value.items()) {
      VOX_CHECK_DATA(text.is_string(), "{}: __metadata__ '{}' is no string", file, key);
      metadata.emplace(key, text.get<std::string>());
    }
  }

  std::string file;
  std::span<const std::byte> mapped;
  std::map<std::string, TensorInFile> tensors;
  Metadata metadata;
};

SafetensorsFile::SafetensorsFile(const fs::path& path) : impl_(std::make_shared<const Impl>(path)) {}

const std::map<std::string, TensorInFile>& SafetensorsFile::tensors() const { return impl_->tensors; }
const Metadata& SafetensorsFile::metadata() const { return impl_->metadata; }
bool SafetensorsFile::has(const std::string& name) const { return impl_->tensors.contains(name); }

const TensorInFile& SafetensorsFile::tensor(const std::string& name) const {
  const auto found = impl_->tensors.find(name);
  VOX_CHECK_DATA(found != impl_->tensors.end(), "{}: holds no tensor '{}'", impl_->file, name);
  return found->second;
}

template <class T> std::vector<T> SafetensorsFile::read(const std::string& name) const {
  const TensorInFile& t = tensor(name);
  VOX_CHECK_DATA(t.dtype == kFileDType<T>, "{}: tensor '{}' is {}, wants {}", impl_->file, name, entry(t.dtype).name,
                 entry(kFileDType<T>).name);
  std::vector<T> values(t.bytes.size() / sizeof(T));
  if (!values.empty()) { std::memcpy(values.data(), t.bytes.data(), t.bytes.size()); }
  return values;
}
template std::vector<float> SafetensorsFile::read(const std::string&) const;
template std::vector<double> SafetensorsFile::read(const std::string&) const;
template std::vector<std::uint8_t> SafetensorsFile::read(const std::string&) const;
template std::vector<std::int64_t> SafetensorsFile::read(const std::string&) const;

const std::string& SafetensorsFile::meta(const std::string& key) const {
  const auto found = impl_->metadata.find(key);
  VOX_CHECK_DATA(found != impl_->metadata.end(), "{}: holds no metadata '{}'", impl_->file, key);
  return found->second;
}

}  // namespace vox
