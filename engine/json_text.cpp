#include "engine/json_text.h"

#include <fmt/format.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>

namespace vox {
namespace {

/// Bytes of the sequence that the text starts with; 0 where that is none: overlong, a surrogate, above U+10FFFF, cut.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const unsigned first = byte(0);
  if (first < 0x80) { return 1; }
  const std::size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  // What the first byte leaves open is decided by the second.
  const unsigned lowest = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned highest = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (length == 0 || byte(1) < lowest || byte(1) > highest) { return 0; }
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) { return 0; }
  }
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) { return false; }
    text.remove_prefix(length);
  }
  return true;
}

/// The key as text. Keys that are UTF-8 keep theirs, so `taken` holds them from the start.
std::string free_key(const std::string& key, std::set<std::string>& taken) {
  const std::string text = utf8_text(key);
  std::string result = text;
  for (int n = 2; !taken.insert(result).second; ++n) { result = fmt::format("{} ({})", text, n); }
  return result;
}

template <class Json> Json with_utf8(const Json& value) {
  if (value.is_string()) { return utf8_text(value.template get_ref<const std::string&>()); }
  if (value.is_array()) {
    Json list = Json::array();
    for (const Json& item : value) { list.push_back(with_utf8(item)); }
    return list;
  }
  if (value.is_object()) {
    std::set<std::string> taken;
    for (const auto& item : value.items()) {
      if (is_utf8(item.key())) { taken.insert(item.key()); }
    }
    Json object = Json::object();
    for (const auto& item : value.items()) {
      object[is_utf8(item.key()) ? item.key() : free_key(item.key(), taken)] = with_utf8(item.value());
    }
    return object;
  }
  return value;
}

}  // namespace

std::string utf8_text(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    } else {
      result += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return result;
}

std::string json_text(const nlohmann::json& value, int indent) { return with_utf8(value).dump(indent); }
std::string json_text(const nlohmann::ordered_json& value, int indent) { return with_utf8(value).dump(indent); }

}  // namespace vox
