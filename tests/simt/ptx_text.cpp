#include "tests/simt/ptx_text.h"

#include <cstdlib>
#include <cstring>

#include "kernels/base/check.h"

namespace vox::ptx {
namespace {

constexpr std::uint64_t kMostBytes = 1U << 20U;  // of a variable; kernels have kilobytes
constexpr std::size_t kMostAlignment = 1U << 12U;

}  // namespace

std::string trim(const std::string& s) {
  const std::size_t begin = s.find_first_not_of(" \t\r\n");
  return begin == std::string::npos ? "" : s.substr(begin, s.find_last_not_of(" \t\r\n") - begin + 1);
}

std::vector<std::string> split(const std::string& s) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : s) {
    depth += static_cast<int>(c == '[' || c == '{' || c == '(') - static_cast<int>(c == ']' || c == '}' || c == ')');
    if (c == ',' && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  for (std::string& p : parts) { p = trim(p); }
  std::erase(parts, "");
  return parts;
}

std::uint64_t number(const std::string& s) {
  if (s.size() > 2 && s[0] == '0' && std::strchr("fFdD", s[1]) != nullptr) {
    return std::strtoull(s.c_str() + 2, nullptr, 16);
  }
  return s[0] == '-' ? static_cast<std::uint64_t>(std::strtoll(s.c_str(), nullptr, 0))
                     : std::strtoull(s.c_str(), nullptr, 0);
}

std::size_t bytes_of(const Type& type, const std::string& name) {
  std::uint64_t bytes = static_cast<std::uint64_t>(type.bytes());
  for (std::size_t b = name.find('['); b != std::string::npos; b = name.find('[', b + 1)) {
    VOX_CHECK(!__builtin_mul_overflow(bytes, std::strtoull(name.c_str() + b + 1, nullptr, 0), &bytes),
              "PTX: '{}' is too large", name);
  }
  VOX_CHECK(bytes <= kMostBytes, "PTX: '{}' takes {} bytes, wants at most {}", name, bytes, kMostBytes);
  return bytes;
}

std::size_t aligned(std::size_t at, std::size_t alignment) {
  VOX_CHECK(alignment >= 1 && alignment <= kMostAlignment, "PTX: alignment {}", alignment);
  return (at + alignment - 1) / alignment * alignment;
}

std::string inside(const std::string& s) {
  VOX_CHECK(s.size() >= 2, "PTX: '{}' is not closed", s);
  return s.substr(1, s.size() - 2);
}

}  // namespace vox::ptx
