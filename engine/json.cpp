#include "engine/json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

namespace vox {
namespace {

#define VOX_FAIL_JSON(...) fail<JsonError>(__FILE__, __LINE__, fmt::format(__VA_ARGS__))

const char* kind_of(const Json& j) {
  if (j.is_null()) { return "null"; }
  if (j.is_boolean()) { return "true or false"; }
  if (j.is_number()) { return "a number"; }
  if (j.is_string()) { return "a string"; }
  return j.is_array() ? "an array" : "an object";
}

[[noreturn]] void fail_kind(const Json& j, const char* wanted) { VOX_FAIL_JSON("is {}, wants {}", kind_of(j), wanted); }

bool is_pair(const Json& j) { return j.is_array() && j.size() == 2 && j[0].is_string(); }

/// Of whole numbers as of others; T holds what it converts to.
template <class T, class V> T converted(V value) {
  using Limits = std::numeric_limits<T>;
  bool fits = true;
  if constexpr (std::is_integral_v<T> && std::is_integral_v<V>) {
    fits = std::in_range<T>(value);
  } else if constexpr (std::is_integral_v<T>) {
    const double whole = std::trunc(value);
    fits = whole >= static_cast<double>(Limits::min()) && whole < std::ldexp(1.0, Limits::digits);
  }
  if (!fits) { VOX_FAIL_JSON("is {}, wants a number from {} to {}", value, Limits::min(), Limits::max()); }
  return static_cast<T>(value);
}

template <class T, class Value> T number(const Json& j, const Value& value) {
  if (const auto* const v = std::get_if<std::int64_t>(&value)) { return converted<T>(*v); }
  if (const auto* const v = std::get_if<std::uint64_t>(&value)) { return converted<T>(*v); }
  if (const auto* const v = std::get_if<double>(&value)) { return converted<T>(*v); }
  fail_kind(j, "a number");
}

}  // namespace

Json::Json() : value_(nullptr) {}
Json::Json(std::nullptr_t) : value_(nullptr) {}
Json::Json(Truth truth) : value_(truth.value) {}
Json::Json(int value) : value_(std::int64_t{value}) {}
Json::Json(unsigned value) : value_(std::uint64_t{value}) {}
Json::Json(long value) : value_(std::int64_t{value}) {}
Json::Json(unsigned long value) : value_(std::uint64_t{value}) {}
Json::Json(long long value) : value_(static_cast<std::int64_t>(value)) {}
Json::Json(unsigned long long value) : value_(static_cast<std::uint64_t>(value)) {}
Json::Json(double value) : value_(value) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}

Json::Json(std::initializer_list<Json> list) : value_(nullptr) {
  if (!std::ranges::all_of(list, is_pair)) {
    value_ = Array(list);
    return;
  }
  value_ = Object();
  for (const Json& pair : list) {
    const auto key = pair[0].get<std::string>();
    if (!contains(key)) { (*this)[key] = pair[1]; }
  }
}

/// Not the variant's own copy: where memory runs out in that of libstdc++ 12, it destroys a value it does not have yet.
Json::Json(const Json& other) : value_(nullptr) {
  std::visit(
      [this](const auto& value) {
        auto copy = value;
        value_ = std::move(copy);
      },
      other.value_);
}
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json& other) { return *this = Json(other); }
Json& Json::operator=(Json&& other) noexcept {
  auto taken = std::move(other.value_);  // it may be a part of this one
  value_ = std::move(taken);
  return *this;
}
Json::~Json() = default;

Json Json::array(std::initializer_list<Json> list) {
  Json j;
  j.value_ = Array(list);
  return j;
}

Json Json::object() {
  Json j;
  j.value_ = Object();
  return j;
}

bool Json::is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
bool Json::is_boolean() const { return std::holds_alternative<bool>(value_); }
bool Json::is_number() const { return is_number_integer() || std::holds_alternative<double>(value_); }
bool Json::is_number_integer() const { return is_number_unsigned() || std::holds_alternative<std::int64_t>(value_); }
bool Json::is_number_unsigned() const { return std::holds_alternative<std::uint64_t>(value_); }
bool Json::is_string() const { return std::holds_alternative<std::string>(value_); }
bool Json::is_array() const { return std::holds_alternative<Array>(value_); }
bool Json::is_object() const { return std::holds_alternative<Object>(value_); }

std::size_t Json::size() const {
  if (const auto* const list = std::get_if<Array>(&value_)) { return list->size(); }
  if (const auto* const members = std::get_if<Object>(&value_)) { return members->size(); }
  return is_null() ? 0 : 1;
}

void Json::get_to(bool& to) const {
  if (!is_boolean()) { fail_kind(*this, "true or false"); }
  to = std::get<bool>(value_);
}
void Json::get_to(int& to) const { to = number<int>(*this, value_); }
void Json::get_to(std::int64_t& to) const { to = number<std::int64_t>(*this, value_); }
void Json::get_to(std::uint64_t& to) const { to = number<std::uint64_t>(*this, value_); }
void Json::get_to(double& to) const { to = number<double>(*this, value_); }
void Json::get_to(std::string& to) const {
  if (!is_string()) { fail_kind(*this, "a string"); }
  to = std::get<std::string>(value_);
}

const Json* Json::find(std::string_view key) const {
  const auto* const members = std::get_if<Object>(&value_);
  if (members == nullptr) { return nullptr; }
  const auto found = std::ranges::find(*members, key, &Member::key);
  return found == members->end() ? nullptr : &found->value;
}

const Json* Json::member(std::string_view key) const {
  if (!is_object() && !is_null()) { fail_kind(*this, "an object"); }
  return find(key);
}

const Json& Json::at(std::string_view key) const {
  const Json* const found = member(key);
  if (found == nullptr) { VOX_FAIL_JSON("has no '{}'", key); }
  return *found;
}

Json& Json::operator[](std::string_view key) {
  if (is_null()) { value_ = Object(); }
  if (const Json* const found = member(key)) { return const_cast<Json&>(*found); }
  auto& members = std::get<Object>(value_);
  members.push_back({std::string(key), nullptr});
  return members.back().value;
}

std::string Json::value(std::string_view key, const char* usual) const { return value(key, std::string(usual)); }

void Json::update(const Json& other) {
  for (const auto& [key, value] : other.items()) { (*this)[key] = value; }
}

const Json::Object& Json::items() const {
  static const Object none;
  if (!is_object() && !is_null()) { fail_kind(*this, "an object"); }
  return is_null() ? none : std::get<Object>(value_);
}

Json::Object& Json::items() {
  if (is_null()) { value_ = Object(); }
  return const_cast<Object&>(std::as_const(*this).items());
}

Json Json::sorted() const {
  Json j = *this;
  if (auto* const list = std::get_if<Array>(&j.value_)) {
    for (Json& item : *list) { item = item.sorted(); }
  }
  if (auto* const members = std::get_if<Object>(&j.value_)) {
    for (Member& m : *members) { m.value = m.value.sorted(); }
    std::ranges::sort(*members, {}, &Member::key);
  }
  return j;
}

const Json& Json::at(std::size_t i) const {
  const Json* const first = begin();
  if (i >= size()) { VOX_FAIL_JSON("has {} elements, wants more than {}", size(), i); }
  return first[i];
}

void Json::push_back(Json item) {
  if (is_null()) { value_ = Array(); }
  if (!is_array()) { fail_kind(*this, "an array"); }
  std::get<Array>(value_).push_back(std::move(item));
}

const Json* Json::begin() const {
  if (is_null()) { return nullptr; }
  if (!is_array()) { fail_kind(*this, "an array"); }
  return std::get<Array>(value_).data();
}

bool operator==(const Json& a, const Json& b) {
  if (!a.is_number() || !b.is_number()) { return a.value_ == b.value_; }
  if (!a.is_number_integer() || !b.is_number_integer()) { return a.get<double>() == b.get<double>(); }
  const auto is_negative = [](const Json& j) { return !j.is_number_unsigned() && j.get<std::int64_t>() < 0; };
  if (is_negative(a) || is_negative(b)) { return a.value_ == b.value_; }
  return a.get<std::uint64_t>() == b.get<std::uint64_t>();
}

}  // namespace vox
