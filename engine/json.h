#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/base/check.h"

namespace vox {

/// Text that is not JSON, a key that is not there, or a value of another kind than was asked for.
class JsonError : public Error {
 public:
  using Error::Error;
};

/// What a text must keep to beside JSON's own rules.
struct JsonRules {
  int depth = 500;           ///< at most so many arrays and objects within each other
  bool unique_keys = false;  ///< no object names a key twice; otherwise the last value counts, in the first one's place
};

/// A JSON value: null, true or false, a number, a string, an array, or an object, whose keys are in the order in which
/// they came. Whole numbers have 64 bits, with or without a sign. Printed by json_text() of engine/json_text.h.
class Json {
 public:
  struct Member;  ///< key and value
  using Array = std::vector<Json>;
  using Object = std::vector<Member>;

  Json();  ///< null, which becomes an object or an array by the first operator[](key) or push_back()
  Json(std::nullptr_t);
  template <std::same_as<bool> Bool> Json(Bool value) : Json(Truth{value}) {}  // nothing else turns into true or false
  Json(int);
  Json(unsigned);
  Json(long);
  Json(unsigned long);
  Json(long long);
  Json(unsigned long long);
  Json(double);
  Json(std::string);
  Json(std::string_view);
  Json(const char*);
  template <class T> Json(const std::vector<T>& list) : Json(array()) { append(list); }
  template <class T, std::size_t N> Json(const std::array<T, N>& list) : Json(array()) { append(list); }
  /// An object where each element is an array of a string and a value, {{"a", 1}, {"b", x}}; otherwise an array.
  /// {x} of one Json x is x with some compilers, an array with others: write Json::array({x}).
  Json(std::initializer_list<Json>);
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  [[nodiscard]] static Json array(std::initializer_list<Json> = {});  ///< an array, whatever its elements are
  [[nodiscard]] static Json object();

  /// Throws JsonError: "is not JSON: " and the parser's words, "names 'a' twice", "nests deeper than 500 levels".
  [[nodiscard]] static Json parse(std::string_view text, const JsonRules& = {});
  [[nodiscard]] static std::optional<Json> try_parse(std::string_view text);  ///< nothing where parse() throws

  [[nodiscard]] bool is_null() const;
  [[nodiscard]] bool is_boolean() const;
  [[nodiscard]] bool is_number() const;
  [[nodiscard]] bool is_number_integer() const;   ///< whole, with or without a sign
  [[nodiscard]] bool is_number_unsigned() const;  ///< whole, and made or read without a sign
  [[nodiscard]] bool is_string() const;
  [[nodiscard]] bool is_array() const;
  [[nodiscard]] bool is_object() const;
  [[nodiscard]] bool is_structured() const { return is_array() || is_object(); }

  [[nodiscard]] std::size_t size() const;                   ///< of null 0, of a number or a string 1
  [[nodiscard]] bool empty() const { return size() == 0; }  ///< null, an array or object of nothing; no string is

  /// The value as a bool, number, string, or vector or array of them. Numbers are converted, towards zero. Throws
  /// JsonError for other kinds, a number that does not fit, and an array shorter than a std::array.
  template <class T> [[nodiscard]] T get() const {
    T value{};
    get_to(value);
    return value;
  }
  void get_to(bool&) const;
  void get_to(int&) const;
  void get_to(std::int64_t&) const;
  void get_to(std::uint64_t&) const;
  void get_to(double&) const;
  void get_to(std::string&) const;
  template <class T> void get_to(std::vector<T>& list) const {
    list.clear();
    for (const Json& item : *this) { item.get_to(list.emplace_back()); }
  }
  template <class T, std::size_t N> void get_to(std::array<T, N>& list) const {
    for (std::size_t i = 0; i < N; ++i) { at(i).get_to(list[i]); }
  }

  // Of objects. Null and, in find() and contains(), everything else are taken for objects without a key.
  [[nodiscard]] const Json* find(std::string_view key) const;  ///< nullptr where it is not there
  [[nodiscard]] bool contains(std::string_view key) const { return find(key) != nullptr; }
  [[nodiscard]] const Json& at(std::string_view key) const;  ///< throws JsonError where it is not there
  [[nodiscard]] const Json& operator[](std::string_view key) const { return at(key); }
  [[nodiscard]] Json& operator[](std::string_view key);  ///< adds it with null where it is not there
  template <class T> [[nodiscard]] T value(std::string_view key, T usual) const {
    if (const Json* const found = member(key)) { found->get_to(usual); }
    return usual;
  }
  [[nodiscard]] std::string value(std::string_view key, const char* usual) const;
  void update(const Json& other);  ///< other's keys are added, or replace what is there
  [[nodiscard]] const Object& items() const;
  [[nodiscard]] Object& items();
  [[nodiscard]] Json sorted() const;  ///< the same with the keys of every object in the order of their bytes

  // Of arrays; null is taken for an empty one.
  [[nodiscard]] const Json& at(std::size_t) const;
  [[nodiscard]] const Json& operator[](std::size_t i) const { return at(i); }
  [[nodiscard]] Json& operator[](std::size_t i) { return const_cast<Json&>(at(i)); }
  void push_back(Json);
  [[nodiscard]] const Json* begin() const;
  [[nodiscard]] const Json* end() const { return begin() + (is_null() ? 0 : size()); }

  /// Numbers by value, whatever their kind; objects with their order.
  friend bool operator==(const Json&, const Json&);

 private:
  struct Truth {
    bool value;
  };
  explicit Json(Truth);
  template <class List> void append(const List& list) {
    for (const auto& item : list) { push_back(item); }
  }
  [[nodiscard]] const Json* member(std::string_view key) const;  ///< find(), of objects and null only

  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object> value_;
};

struct Json::Member {
  std::string key;
  Json value;

  friend bool operator==(const Member&, const Member&) = default;
};

}  // namespace vox
