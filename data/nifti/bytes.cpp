#include "data/nifti/bytes.h"

#include <libdeflate.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

namespace vox {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 18U;  // large enough to hide the system call
constexpr std::size_t kPieceBytes = 4096;
constexpr std::uint64_t kMostInflation = 1032;                // deflate's limit: 258 bytes from 2 bits
constexpr std::uint64_t kMostFile = std::uint64_t{1} << 53U;  // a sparse file may be longer: no product of it overflows

bool is_gzip_magic(std::span<const std::byte> b) {
  return b.size() >= 2 && b[0] == std::byte{0x1F} && b[1] == std::byte{0x8B};
}

}  // namespace

void refuse(NiftiFault fault, const std::string& message, const char* file, int line) {
  throw NiftiError(message, fmt::format("{}:{}", file, line), fault);
}

ByteSource::ByteSource(std::filesystem::path path) : path_(std::move(path)) {
  const std::string name = path_.string();
  OpenFile opened = open_regular(path_);
  if (opened.type == std::filesystem::file_type::not_found) {
    refuse(NiftiFault::unreadable, fmt::format("'{}' is not there; wants a NIfTI file", name));
  }
  if (opened.type != std::filesystem::file_type::none && opened.type != std::filesystem::file_type::regular) {
    const bool folder = opened.type == std::filesystem::file_type::directory;
    refuse(NiftiFault::unreadable,
           fmt::format("'{}' is {}; wants a NIfTI file", name, folder ? "a folder" : "not a file"));
  }
  if (opened.error != 0) {
    refuse(NiftiFault::unreadable,
           fmt::format("cannot open '{}': {}", name, std::generic_category().message(opened.error)));
  }
  descriptor_ = std::move(opened.descriptor);
  file_bytes_ = opened.bytes;
  chunk_bytes_ = std::clamp<std::size_t>(file_bytes_, kPieceBytes, kChunkBytes);
  input_.resize(chunk_bytes_);
  input_.resize(read_file(input_));
  if (input_.empty()) { refuse(NiftiFault::damaged, fmt::format("'{}' is empty; wants a NIfTI file", path_.string())); }
  gzip_ = is_gzip_magic(input_);
  if (gzip_) {
    constexpr int kGzipOnly = 15 + 16;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) { throw std::bad_alloc(); }
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(input_.size());
  }
}

ByteSource::~ByteSource() {
  if (gzip_) { inflateEnd(&stream_); }
}

std::uint64_t ByteSource::most_bytes() const {
  return gzip_ ? std::min(file_bytes_, kMostFile) * kMostInflation : file_bytes_;
}

std::size_t ByteSource::read_file(std::span<std::byte> to) {
  std::size_t total = 0;
  while (total < to.size()) {
    const ssize_t n = ::read(descriptor_.get(), to.data() + total, to.size() - total);
    if (n < 0 && errno == EINTR) { continue; }
    if (n < 0) {
      refuse(NiftiFault::unreadable,
             fmt::format("cannot read '{}': {}", path_.string(), std::generic_category().message(errno)));
    }
    if (n == 0) { break; }
    total += static_cast<std::size_t>(n);
  }
  return total;
}

std::size_t ByteSource::read(std::span<std::byte> to) {
  if (gzip_) { return inflate_into(to); }
  const std::size_t kept = std::min(to.size(), input_.size() - input_at_);
  std::memcpy(to.data(), input_.data() + input_at_, kept);
  input_at_ += kept;
  delivered_ += kept;
  const std::size_t fresh = read_file(to.subspan(kept));
  delivered_ += fresh;
  return kept + fresh;
}

/// False at the end of the file.
bool ByteSource::refill() {
  if (stream_.avail_in > 0) { return true; }
  input_.resize(chunk_bytes_);
  input_.resize(read_file(input_));
  stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
  stream_.avail_in = static_cast<uInt>(input_.size());
  return stream_.avail_in > 0;
}

/// After the end of a gzip member: another one may follow, or zeros that pad the file. False at the end of the file.
bool ByteSource::next_member() {
  while (refill()) {
    if (*stream_.next_in != 0) {
      if (inflateReset(&stream_) != Z_OK) { throw std::bad_alloc(); }
      member_ended_ = false;
      return true;
    }
    ++stream_.next_in;
    --stream_.avail_in;
  }
  return false;
}

std::size_t ByteSource::inflate_into(std::span<std::byte> to) {
  std::size_t total = 0;
  while (total < to.size()) {
    if (member_ended_ && !next_member()) { break; }
    if (!refill()) {
      refuse(NiftiFault::damaged, fmt::format("'{}': its gzip data ends early, after {} bytes of content: the file is "
                                              "truncated",
                                              path_.string(), delivered_));
    }
    const std::size_t room = std::min(to.size() - total, std::size_t{1} << 30U);  // zlib counts in 32 bits
    stream_.next_out = reinterpret_cast<Bytef*>(to.data() + total);
    stream_.avail_out = static_cast<uInt>(room);
    const int code = inflate(&stream_, Z_NO_FLUSH);
    const std::size_t came = room - stream_.avail_out;
    total += came;
    delivered_ += came;
    if (code == Z_MEM_ERROR) { throw std::bad_alloc(); }
    if (code == Z_STREAM_END) {
      member_ended_ = true;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      refuse(NiftiFault::damaged,
             fmt::format("'{}': its gzip data is damaged after {} bytes of content ({})", path_.string(), delivered_,
                         stream_.msg != nullptr ? stream_.msg : "zlib gives no reason"));
    }
  }
  return total;
}

std::optional<std::size_t> ByteSource::whole(std::span<std::byte> to) {
  if (!gzip_) { return {}; }
  const auto file = std::make_unique_for_overwrite<std::byte[]>(file_bytes_);
  for (std::uint64_t have = 0; have < file_bytes_;) {  // where read() stands stays
    const ssize_t n = pread(descriptor_.get(), file.get() + have, file_bytes_ - have, static_cast<off_t>(have));
    if (n < 0 && errno == EINTR) { continue; }
    if (n <= 0) { return {}; }
    have += static_cast<std::uint64_t>(n);
  }
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> decompressor(
      libdeflate_alloc_decompressor(), &libdeflate_free_decompressor);
  if (decompressor == nullptr) { throw std::bad_alloc(); }
  std::size_t read = 0;
  std::size_t came = 0;
  const libdeflate_result result =
      libdeflate_gzip_decompress_ex(decompressor.get(), file.get(), file_bytes_, to.data(), to.size(), &read, &came);
  const bool ended =
      std::all_of(file.get() + read, file.get() + file_bytes_, [](std::byte b) { return b == std::byte{0}; });
  if (result != LIBDEFLATE_SUCCESS || !ended) { return {}; }  // zeros may pad the file
  return came;
}

void ByteSource::finish() {
  std::array<std::byte, kPieceBytes> surplus{};
  std::size_t total = 0;
  for (std::size_t came = read(surplus); came > 0; came = read(surplus)) {
    total += came;
    if (total > kMostSurplusBytes) {
      refuse(NiftiFault::damaged,
             fmt::format("'{}' goes on for more than {} bytes after the voxels that its header names", path_.string(),
                         kMostSurplusBytes));
    }
  }
}

}  // namespace vox
