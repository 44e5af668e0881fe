#include "tests/fuzz/libfuzzer/json_mutator.h"

#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "engine/json.h"
#include "engine/json_text.h"

namespace vox::fuzz {
namespace {

using Random = std::minstd_rand;

std::size_t below(Random& random, std::size_t n) { return n == 0 ? 0 : random() % n; }

/// Where the array or object that begins here ends: behind the bracket that closes it, or npos.
std::size_t end_of(std::string_view text, std::size_t at) {
  int depth = 0;
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted && c == '\\') {
      ++at;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == '{' || c == '[')) {
      ++depth;
    } else if (!quoted && (c == '}' || c == ']') && --depth == 0) {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

void collect(Json& value, std::vector<Json*>& all) {
  all.push_back(&value);
  if (value.is_object()) {
    for (auto& member : value.items()) { collect(member.value, all); }
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) { collect(value[i], all); }
  }
}

Json extreme(Random& random) {
  const std::array<Json, 16> all{Json(nullptr),
                                 Json(0),
                                 Json(-1),
                                 Json(1),
                                 Json(std::numeric_limits<std::int64_t>::min()),
                                 Json(std::numeric_limits<std::int64_t>::max()),
                                 Json(std::numeric_limits<std::uint64_t>::max()),
                                 Json(65'536),
                                 Json(std::int64_t{1} << 32U),
                                 Json(0.5),
                                 Json(-1e308),
                                 Json(5e-324),
                                 Json(""),
                                 Json("../a"),
                                 Json::array(),
                                 Json::object()};
  return all[below(random, all.size())];
}

void drop_one(Json& value, Random& random) {
  const std::size_t gone = below(random, value.size());
  if (value.is_object()) {
    auto& members = value.items();
    if (!members.empty()) { members.erase(members.begin() + static_cast<std::ptrdiff_t>(gone)); }
    return;
  }
  Json rest = Json::array();
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (i != gone) { rest.push_back(value[i]); }
  }
  value = rest;
}

void add_one(Json& value, const Json& added, Random& random) {
  if (value.is_array()) {
    value.push_back(added);
  } else {
    value["k" + std::to_string(below(random, 100))] = added;
  }
}

std::string any_key(const std::vector<Json*>& all, Random& random) {
  std::vector<std::string> keys;
  for (const Json* const value : all) {
    if (!value->is_object()) { continue; }
    for (const auto& [key, item] : value->items()) { keys.push_back(key); }
  }
  return keys.empty() ? "a" : keys[below(random, keys.size())];
}

void change(Json& root, Random& random) {
  std::vector<Json*> all;
  collect(root, all);
  Json& value = *all[below(random, all.size())];
  const Json other = *all[below(random, all.size())];
  if (value.is_string() && random() % 4 != 0) {
    if (const auto inner = with_json_changed(value.get<std::string>(), static_cast<unsigned>(random()))) {
      value = *inner;
      return;
    }
  }
  switch (value.is_structured() ? random() % 6 : random() % 3) {
    case 0:
      value = extreme(random);
      return;
    case 1:
      value = other;
      return;
    case 2:
      value = Json::array({value});
      return;
    case 3:
      return drop_one(value, random);
    case 4:
      return add_one(value, other, random);
    default:
      if (value.is_object() && !value.empty()) {
        value.items()[below(random, value.size())].key = any_key(all, random);
      } else {
        add_one(value, extreme(random), random);
      }
  }
}

}  // namespace

std::optional<std::string> with_json_changed(std::string_view text, unsigned seed) {
  Random random(seed);
  std::vector<std::size_t> lines{0};
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\x1E') { lines.push_back(i + 1); }
  }
  const std::size_t begin = text.find_first_of("{[", lines[below(random, lines.size())]);
  if (begin == std::string_view::npos) { return std::nullopt; }
  const std::size_t end = end_of(text, begin);
  if (end == std::string_view::npos) { return std::nullopt; }
  std::optional<Json> value = Json::try_parse(text.substr(begin, end - begin));
  if (!value) { return std::nullopt; }
  change(*value, random);
  return std::string(text.substr(0, begin)) + json_text(*value) + std::string(text.substr(end));
}

}  // namespace vox::fuzz
