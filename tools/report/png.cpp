#include "tools/report/png.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "kernels/base/check.h"

namespace vox {
namespace {

void add_u32(std::string& out, std::uint32_t v) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) { out += static_cast<char>(v >> shift & 0xffU); }
}

void add_chunk(std::string& out, std::string_view type, std::string_view data) {
  add_u32(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t start = out.size();
  out.append(type).append(data);
  const auto* const bytes = reinterpret_cast<const Bytef*>(out.data() + start);
  add_u32(out, static_cast<std::uint32_t>(crc32(0, bytes, static_cast<uInt>(out.size() - start))));
}

/// What the Paeth filter predicts from left, up and the one left of that.
int paeth(int left, int up, int corner) {
  const int p = left + up - corner;
  const int by_left = std::abs(p - left);
  const int by_up = std::abs(p - up);
  const int by_corner = std::abs(p - corner);
  if (by_left <= by_up && by_left <= by_corner) { return left; }
  return by_up <= by_corner ? up : corner;
}

/// The row by each of the filters none, sub, up and Paeth, the best of them behind its number.
void add_filtered(std::string& out, std::span<const std::uint8_t> row, std::span<const std::uint8_t> above) {
  static constexpr std::array<char, 4> kNumbers{0, 1, 2, 4};
  std::array<std::string, 4> filtered;
  std::array<std::int64_t, 4> sums{};
  for (std::size_t x = 0; x < row.size(); ++x) {
    const int left = x > 0 ? row[x - 1] : 0;
    const int up = above.empty() ? 0 : above[x];
    const int corner = x > 0 && !above.empty() ? above[x - 1] : 0;
    const std::array<int, 4> predicted{0, left, up, paeth(left, up, corner)};
    for (std::size_t f = 0; f < predicted.size(); ++f) {
      const auto rest = static_cast<std::int8_t>(row[x] - predicted[f]);
      filtered[f] += static_cast<char>(rest);
      sums[f] += std::abs(static_cast<int>(rest));
    }
  }
  const auto best = static_cast<std::size_t>(std::ranges::min_element(sums) - sums.begin());
  out += kNumbers[best];
  out += filtered[best];
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      three = three << 8U | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const bool there = i + k <= bytes.size();
      text += there ? kDigits[three >> (18U - 6U * k) & 63U] : '=';
    }
  }
  return text;
}

}  // namespace

std::string grey_png_uri(std::int64_t width, std::int64_t height, std::span<const std::uint8_t> rows) {
  VOX_CHECK(width >= 1 && height >= 1 && width * height == std::ssize(rows), "png: {} values of {}x{}", rows.size(),
            width, height);
  const auto w = static_cast<std::size_t>(width);
  std::string filtered;
  filtered.reserve(rows.size() + static_cast<std::size_t>(height));
  for (std::size_t at = 0; at < rows.size(); at += w) {
    add_filtered(filtered, rows.subspan(at, w), at == 0 ? std::span<const std::uint8_t>{} : rows.subspan(at - w, w));
  }
  uLongf size = compressBound(static_cast<uLong>(filtered.size()));
  std::string packed(size, '\0');
  const int code = compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                             reinterpret_cast<const Bytef*>(filtered.data()), static_cast<uLong>(filtered.size()), 6);
  VOX_CHECK(code == Z_OK, "png: zlib says {}", code);
  packed.resize(size);
  std::string header;
  add_u32(header, static_cast<std::uint32_t>(width));
  add_u32(header, static_cast<std::uint32_t>(height));
  header += std::string_view("\x08\x00\x00\x00\x00", 5);  // 8 bits of grey, deflate, the five filters, not interlaced
  std::string png = "\x89PNG\r\n\x1a\n";
  add_chunk(png, "IHDR", header);
  add_chunk(png, "IDAT", packed);
  add_chunk(png, "IEND", {});
  return "data:image/png;base64," + base64(png);
}

}  // namespace vox
