#include "tools/ui/png.h"

#include <zlib.h>

#include <string_view>

#include "kernels/base/check.h"

namespace vox {
namespace {

void add_u32(std::string& out, std::uint32_t v) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) { out += static_cast<char>(v >> shift & 0xFFU); }
}

/// Length, type, data, and the CRC of the latter two.
void add_chunk(std::string& out, std::string_view type, std::string_view data) {
  add_u32(out, static_cast<std::uint32_t>(data.size()));
  const std::string body = std::string(type) + std::string(data);
  out += body;
  add_u32(out, static_cast<std::uint32_t>(
                   crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
}

}  // namespace

std::string png_file(std::int64_t width, std::int64_t height, std::int64_t channels,
                     std::span<const std::uint8_t> rows) {
  VOX_CHECK(
      (channels == 1 || channels == 3) && width > 0 && height > 0 && width * height * channels == std::ssize(rows),
      "png: {} values for {}x{} of {} channels", rows.size(), width, height, channels);
  constexpr char kUp = 2;  // the filter's number
  const auto length = static_cast<std::size_t>(width * channels);
  std::string filtered;
  for (std::size_t at = 0; at < rows.size(); ++at) {
    if (at % length == 0) { filtered += kUp; }
    filtered += static_cast<char>(rows[at] - (at < length ? 0 : rows[at - length]));
  }
  uLongf size = compressBound(static_cast<uLong>(filtered.size()));
  std::string packed(size, '\0');
  const int code = compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                            reinterpret_cast<const Bytef*>(filtered.data()), static_cast<uLong>(filtered.size()));
  if (code == Z_MEM_ERROR) { throw std::bad_alloc(); }
  VOX_CHECK(code == Z_OK, "png: zlib's compress() says {}", code);
  packed.resize(size);

  std::string png = "\x89PNG\r\n\x1A\n";
  std::string header;
  add_u32(header, static_cast<std::uint32_t>(width));
  add_u32(header, static_cast<std::uint32_t>(height));
  // Bits a channel, colour type, deflate, the five filters, not interlaced.
  header += {8, static_cast<char>(channels == 3 ? 2 : 0), 0, 0, 0};
  add_chunk(png, "IHDR", header);
  add_chunk(png, "IDAT", packed);
  add_chunk(png, "IEND", {});
  return png;
}

}  // namespace vox
