#include "engine/json_text.h"

#include <fmt/core.h>

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "engine/json.h"

namespace vox {
namespace {

using Library = nlohmann::ordered_json;

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

Library to_library(const Json& value);

Library object_to_library(const Json& value) {
  std::set<std::string> taken;
  for (const auto& [key, item] : value.items()) {
    if (is_utf8(key)) { taken.insert(key); }
  }
  Library object = Library::object();
  for (const auto& [key, item] : value.items()) {
    object[is_utf8(key) ? key : free_key(key, taken)] = to_library(item);
  }
  return object;
}

/// The same for the library to print, in UTF-8.
Library to_library(const Json& value) {
  if (value.is_object()) { return object_to_library(value); }
  if (value.is_array()) {
    Library list = Library::array();
    for (const Json& item : value) { list.push_back(to_library(item)); }
    return list;
  }
  if (value.is_string()) { return utf8_text(value.get<std::string>()); }
  if (value.is_boolean()) { return value.get<bool>(); }
  if (value.is_number_unsigned()) { return value.get<std::uint64_t>(); }
  if (value.is_number_integer()) { return value.get<std::int64_t>(); }
  if (value.is_number()) { return value.get<double>(); }
  return nullptr;
}

/// What the library's parser reports, made a value. Its functions have the names that the parser calls.
class Builder {
 public:
  Builder(Json& result, const JsonRules& rules) : result_(result), rules_(rules) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(std::int64_t value) { return put(value); }
  bool number_unsigned(std::uint64_t value) { return put(value); }
  bool number_float(double value, const std::string& /*as written*/) { return put(value); }
  bool string(std::string& value) { return put(std::move(value)); }
  [[noreturn]] static bool binary(Library::binary_t& /*value*/) { VOX_FAIL("JSON text has no binary values"); }

  bool start_array(std::size_t /*size*/) { return open(Json::array()); }
  bool start_object(std::size_t /*size*/) { return open(Json::object()); }
  bool end_array() { return close(); }
  bool end_object() { return close(); }

  bool key(std::string& key) {
    Open& object = open_.back();
    auto& members = object.value->items();
    const auto [found, is_new] = object.keys.emplace(key, members.size());
    if (!is_new && rules_.unique_keys) { refuse(fmt::format("names '{}' twice", key)); }
    object.member = found->second;
    if (is_new) { members.push_back({std::move(key), nullptr}); }
    return true;
  }

  [[noreturn]] static bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                                       const Library::exception& e) {
    refuse(fmt::format("is not JSON: {}", e.what()));
  }

 private:
  /// An array or object whose end has not come. It moves no more: what holds it grows when it is closed.
  struct Open {
    Json* value;
    std::map<std::string, std::size_t> keys;  ///< of an object: where each stands
    std::size_t member = 0;                   ///< the one whose value comes next
  };

  [[noreturn]] static void refuse(const std::string& why) { fail<JsonError>(__FILE__, __LINE__, why); }

  Json* place(Json value) {
    if (open_.empty()) {
      result_ = std::move(value);
      return &result_;
    }
    Json& holder = *open_.back().value;
    if (holder.is_object()) {
      Json& member = holder.items()[open_.back().member].value;
      member = std::move(value);
      return &member;
    }
    holder.push_back(std::move(value));
    return &holder[holder.size() - 1];
  }
  bool put(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json empty) {
    if (std::ssize(open_) == rules_.depth) { refuse(fmt::format("nests deeper than {} levels", rules_.depth)); }
    open_.push_back({place(std::move(empty)), {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json& result_;
  const JsonRules& rules_;
  std::vector<Open> open_;
};

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

std::string json_text(const Json& value, int indent) { return to_library(value).dump(indent); }

std::string json_library_version() {
  return fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH);
}

Json Json::parse(std::string_view text, const JsonRules& rules) {
  Json result;
  Builder builder(result, rules);
  Library::sax_parse(text.begin(), text.end(), &builder);
  return result;
}

std::optional<Json> Json::try_parse(std::string_view text) {
  try {
    return parse(text);
  } catch (const JsonError&) { return std::nullopt; }
}

}  // namespace vox
