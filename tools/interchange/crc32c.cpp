#include "tools/interchange/crc32c.h"

#include <array>

namespace vox {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  constexpr std::uint32_t kReflected = 0x82F63B78U;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) { rest = rest >> 1U ^ ((rest & 1U) != 0 ? kReflected : 0U); }
    table[byte] = rest;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t sum = 0xFFFFFFFFU;
  for (const char c : bytes) { sum = sum >> 8U ^ kTable[(sum ^ static_cast<std::uint8_t>(c)) & 0xFFU]; }
  return ~sum;
}

}  // namespace vox
