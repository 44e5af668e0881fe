#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>
#include <vector>

#include "engine/atomic_file.h"
#include "kernels/base/check.h"

namespace vox {

/// Compresses what is written into a file: the same bytes give the same file.
class GzipWriter {
 public:
  explicit GzipWriter(AtomicFile& file) : file_(file), out_(std::size_t{1} << 20U) {
    constexpr int kCompression = 6;  // gzip's own default
    constexpr int kGzip = 15 + 16;
    constexpr int kMemory = 9;
    if (deflateInit2(&stream_, kCompression, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~GzipWriter() { deflateEnd(&stream_); }
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;
  GzipWriter(GzipWriter&&) = delete;
  GzipWriter& operator=(GzipWriter&&) = delete;

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min(bytes.size(), std::size_t{1} << 30U));  // zlib counts in 32 bits
      stream_.next_in =
          reinterpret_cast<Bytef*>(const_cast<std::byte*>(part.data()));  // read only: C has no const here
      stream_.avail_in = static_cast<uInt>(part.size());
      while (stream_.avail_in > 0) { step(Z_NO_FLUSH); }
      bytes = bytes.subspan(part.size());
    }
  }
  void finish() {
    while (step(Z_FINISH) != Z_STREAM_END) {}
  }

 private:
  int step(int flush) {
    stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
    stream_.avail_out = static_cast<uInt>(out_.size());
    const int code = deflate(&stream_, flush);
    if (code == Z_MEM_ERROR) { throw std::bad_alloc(); }
    VOX_CHECK(code == Z_OK || code == Z_STREAM_END, "deflate: zlib says {}", code);
    file_.write(std::span<const std::byte>(out_).first(out_.size() - stream_.avail_out));
    return code;
  }

  AtomicFile& file_;
  std::vector<std::byte> out_;
  z_stream stream_{};
};

}  // namespace vox
