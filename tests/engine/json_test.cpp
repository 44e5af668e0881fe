#include "engine/json.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/json_text.h"
#include "kernels/base/sanitizer.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

using Library = nlohmann::ordered_json;
using Signed = std::numeric_limits<std::int64_t>;
using Unsigned = std::numeric_limits<std::uint64_t>;

/// What is said of something that is refused.
template <class Work> std::string refusal(const Work& work) {
  try {
    work();
  } catch (const JsonError& e) { return e.what(); }
  return "nothing";
}

std::string refused_text(const std::string& text, const JsonRules& rules = {}) {
  return refusal([&] { static_cast<void>(Json::parse(text, rules)); });
}

TEST_CASE("JSON that is read and printed again has the text that the JSON library gives it", "[json]") {
  for (const std::string text : {"null",
                                 "true",
                                 " [ false ] ",
                                 "0",
                                 "-0",
                                 "-0.0",
                                 "0.1",
                                 "1e300",
                                 "1E-7",
                                 "5e-324",
                                 "1.0",
                                 "100000000000000000",
                                 "1e15",
                                 "1e16",
                                 "123456789.125",
                                 "9223372036854775807",
                                 "-9223372036854775808",
                                 "9223372036854775808",
                                 "18446744073709551615",
                                 "18446744073709551616",
                                 "-9223372036854775809",
                                 "[]",
                                 "{}",
                                 "[[],[[]],{}]",
                                 R"({"a":{},"b":[{},[]],"c":{"d":{"e":[1,[2,[3]]]}}})",
                                 R"("\"\\\/\b\f\n\r\t\u0000\u001f\u00fc\u20ac\ud83d\ude00")",
                                 "\"\x7F M\xC3\xBCller \xF0\x9F\x98\x80\"",
                                 R"({"b":1,"a":2,"":3,"a b":4})",
                                 R"({"b":1,"a":2,"b":{"c":3}})",
                                 "\xEF\xBB\xBF[1]"}) {
    const Json ours = Json::parse(text);
    const Library theirs = Library::parse(text);
    CAPTURE(text);
    for (const int indent : {-1, 0, 1, 2}) { CHECK(json_text(ours, indent) == theirs.dump(indent)); }
    CHECK(json_text(ours.sorted(), 1) == nlohmann::json::parse(text).dump(1));
  }
}

TEST_CASE("JSON from the program's own values has the text that the JSON library gives it", "[json]") {
  CHECK(json_text(Json()) == "null");
  CHECK(json_text(true) == "true");
  CHECK(json_text({Signed::min(), Signed::max(), Unsigned::max()}) ==
        Library({Signed::min(), Signed::max(), Unsigned::max()}).dump());
  CHECK(json_text({1, 1U, 1L, 1UL, 1LL, 1ULL, std::int8_t{-1}, std::uint16_t{1}}) == "[1,1,1,1,1,1,-1,1]");
  CHECK(json_text({0.1, 1e300, -0.0, 1.0, double{0.1F}, 1.0F}) ==
        Library({0.1, 1e300, -0.0, 1.0, double{0.1F}, 1.0F}).dump());
  CHECK(json_text({std::nan(""), HUGE_VAL, -HUGE_VAL}) == "[null,null,null]");
  CHECK(json_text({"text", std::string("a\0b", 3), std::string_view("view")}) == R"(["text","a\u0000b","view"])");
  const std::vector<double> none;
  const std::array<std::int64_t, 3> extents{1, 2, 3};
  const std::vector<std::vector<std::string>> nested{{"a"}, {}};
  CHECK(json_text({none, extents, nested}) == R"([[],[1,2,3],[["a"],[]]])");
  static_assert(!std::is_convertible_v<int*, Json>, "a pointer is not true or false");
}

TEST_CASE("JSON in braces is an object where it is pairs with a name, and an array elsewhere", "[json]") {
  CHECK(json_text({{"b", 1}, {"a", {{"x", nullptr}}}}) == R"({"b":1,"a":{"x":null}})");
  CHECK(json_text({{"a", 1}, {"a", 2}}) == R"({"a":1})");
  CHECK(json_text({{"a", 1}, {2, 3}}) == R"([["a",1],[2,3]])");
  CHECK(json_text({{"a", 1, 2}}) == R"([["a",1,2]])");
  CHECK(json_text(Json::array({{"a", 1}})) == R"([["a",1]])");
  CHECK(json_text({{"a", Json::array()}, {"o", Json::object()}}) == R"({"a":[],"o":{}})");
  const auto as_returned = []() -> Json { return {{"name", "x"}}; };
  CHECK(json_text(as_returned()) == R"({"name":"x"})");
}

TEST_CASE("JSON objects keep the order of their keys, and null becomes what it is used as", "[json]") {
  Json j;
  j["z"]["deep"] = 1;
  j["a"].push_back("x");
  j["a"].push_back(Json{{"k", 2}});
  j["z"] = {1, 2};
  j.update({{"new", true}, {"a", nullptr}});
  CHECK(json_text(j) == R"({"z":[1,2],"a":null,"new":true})");
  j.update(Json());
  CHECK(json_text(j.sorted()) == R"({"a":null,"new":true,"z":[1,2]})");
  CHECK(json_text(Json{{"b", Json::array({Json{{"d", 1}, {"c", 2}}})}, {"a", 0}}.sorted()) ==
        R"({"a":0,"b":[{"c":2,"d":1}]})");
  std::string keys;
  for (const auto& [key, value] : j.items()) { keys += key + (value.is_null() ? "? " : " "); }
  CHECK(keys == "z a? new ");
  for (auto& [key, value] : j.items()) { value = key; }
  CHECK(json_text(j) == R"({"z":"z","a":"a","new":"new"})");
  j = {{"a", {{"b", {{"c", 1}, {"d", 2}}}, {"e", 3}}}, {"f", 4}};
  j = j["a"];  // of itself
  CHECK(json_text(j) == R"({"b":{"c":1,"d":2},"e":3})");
  j = std::move(j["b"]["d"]);
  CHECK(j == 2);
}

TEST_CASE("JSON tells of what kind a value is and how much it holds", "[json]") {
  const Json j = {{"n", nullptr}, {"t", true}, {"i", -1},     {"u", 1U},
                  {"d", 1.5},     {"s", ""},   {"a", {1, 2}}, {"o", Json::object()}};
  std::string kinds;
  for (const auto& [key, v] : j.items()) {
    kinds += key + ':';
    for (const bool is : {v.is_null(), v.is_boolean(), v.is_number(), v.is_number_integer(), v.is_number_unsigned(),
                          v.is_string(), v.is_array(), v.is_object(), v.is_structured(), v.empty()}) {
      kinds += is ? '1' : '0';
    }
    kinds += std::to_string(v.size()) + ' ';
  }
  CHECK(kinds ==
        "n:10000000010 t:01000000001 i:00110000001 u:00111000001 d:00100000001 s:00000100001 a:00000010102 "
        "o:00000001110 ");
  CHECK(j.size() == 8);
  CHECK(j.contains("n"));
  CHECK_FALSE(j.contains("x"));
  CHECK_FALSE(j["a"].contains("n"));
  CHECK(j.find("x") == nullptr);
  CHECK(Json(3).find("x") == nullptr);
  CHECK(Json().begin() == Json().end());
}

TEST_CASE("JSON numbers, texts and lists are read as what is wanted, or refused in words", "[json]") {
  const Json j = Json::parse(R"({"i":-7,"u":7,"d":2.75,"big":1e300,"max":18446744073709551615,"s":"x","t":true,
                                 "list":[1,2.5],"names":["a","b"],"mixed":["a",1]})");
  CHECK(j["i"].get<int>() == -7);
  CHECK(j["u"].get<std::uint64_t>() == 7);
  CHECK(j["d"].get<std::int64_t>() == 2);  // towards zero
  CHECK(Json(-2.75).get<int>() == -2);
  CHECK(Json(-0.5).get<std::uint64_t>() == 0);
  CHECK(j["i"].get<double>() == -7);
  CHECK(j["max"].get<std::uint64_t>() == Unsigned::max());
  CHECK(Json(Signed::min()).get<double>() == -0x1p63);
  CHECK(Json(-0x1p63).get<std::int64_t>() == Signed::min());
  CHECK(j["t"].get<bool>());
  CHECK(j["list"].get<std::vector<double>>() == std::vector<double>{1, 2.5});
  CHECK(j["list"].get<std::array<std::int64_t, 2>>() == std::array<std::int64_t, 2>{1, 2});
  CHECK(j["names"].get<std::vector<std::string>>() == std::vector<std::string>{"a", "b"});
  CHECK(j.value("u", 1.5) == 7);
  CHECK(j.value("x", 1.5) == 1.5);
  CHECK(j.value("s", "usual") == "x");
  CHECK(j.value("x", "usual") == "usual");

  CHECK(refusal([&] { static_cast<void>(j["s"].get<int>()); }) == "is a string, wants a number");
  CHECK(refusal([&] { static_cast<void>(j["t"].get<int>()); }) == "is true or false, wants a number");
  CHECK(refusal([&] { static_cast<void>(j["u"].get<bool>()); }) == "is a number, wants true or false");
  CHECK(refusal([&] { static_cast<void>(j["list"].get<std::string>()); }) == "is an array, wants a string");
  CHECK(refusal([&] { static_cast<void>(j["mixed"].get<std::vector<std::string>>()); }) ==
        "is a number, wants a string");
  CHECK(refusal([&] { static_cast<void>(j.get<std::vector<int>>()); }) == "is an object, wants an array");
  CHECK(refusal([&] { static_cast<void>(j["list"].get<std::array<int, 3>>()); }) ==
        "has 2 elements, wants more than 2");
  CHECK_THAT(refusal([&] { static_cast<void>(j["max"].get<std::int64_t>()); }),
             ContainsSubstring("18446744073709551615"));
  CHECK_THAT(refusal([&] { static_cast<void>(j["big"].get<int>()); }),
             ContainsSubstring("from -2147483648 to 2147483647"));
  CHECK_THAT(refusal([&] { static_cast<void>(j["i"].get<std::uint64_t>()); }),
             ContainsSubstring("is -7, wants a number from 0"));
  CHECK_THAT(refusal([&] { static_cast<void>(Json(0x1p63).get<std::int64_t>()); }),
             ContainsSubstring("wants a number"));
  CHECK_THAT(refusal([&] { static_cast<void>(Json(std::nan("")).get<int>()); }), ContainsSubstring("is nan"));
  CHECK(refusal([&] { static_cast<void>(j.at("x")); }) == "has no 'x'");
  CHECK(refusal([&] { static_cast<void>(j["s"].at("x")); }) == "is a string, wants an object");
  CHECK(refusal([&] { static_cast<void>(j["list"].value("x", 1)); }) == "is an array, wants an object");
  CHECK(refusal([&] { static_cast<void>(j.value("s", 1)); }) == "is a string, wants a number");
  CHECK(refusal([&] { static_cast<void>(j["list"].items()); }) == "is an array, wants an object");
  CHECK(refusal([&] { static_cast<void>(j["s"][0]); }) == "is a string, wants an array");
  CHECK(refusal([] { Json(1).push_back(2); }) == "is a number, wants an array");
  CHECK(refusal([] { Json(1)["x"] = 2; }) == "is a number, wants an object");
}

TEST_CASE("JSON values are equal where numbers are, whatever their kind, and keys in their order", "[json]") {
  CHECK(Json(1) == 1U);
  CHECK(Json(1) == 1.0);
  CHECK(Json(1U) == 1);
  CHECK(Json(-1) != Unsigned::max());
  CHECK(Json(-1) == -1.0);
  CHECK(Json(1) != true);
  CHECK(Json(1) != "1");
  CHECK(Json("x") == "x");
  CHECK(Json() == nullptr);
  CHECK(Json{1, 2U} == Json{1.0, 2});
  CHECK(Json{{"a", 1}, {"b", 2}} == Json{{"a", 1U}, {"b", 2.0}});
  CHECK(Json{{"a", 1}, {"b", 2}} != Json{{"b", 2}, {"a", 1}});
  CHECK(Json(std::nan("")) != Json(std::nan("")));
}

TEST_CASE("text that is not JSON is refused in the library's words, or without any", "[json]") {
  for (const std::string text :
       {"", "{", "[1,]", "nul", "1 2", "{\"a\" 1}", "\"\xFC\"", "\"\n\"", "1e999", "01", "[1] x"}) {
    CAPTURE(text);
    std::string words;
    try {
      [[maybe_unused]] const Library read = Library::parse(text);
    } catch (const Library::exception& e) { words = e.what(); }
    REQUIRE_FALSE(words.empty());
    CHECK(refused_text(text) == "is not JSON: " + words);
    CHECK_FALSE(Json::try_parse(text));
  }
  CHECK(Json::try_parse("[1]") == Json::array({1}));
}

TEST_CASE("JSON that nests too deep or names a key twice is refused where that is asked", "[json]") {
  const auto nested = [](int depth) {
    const auto n = static_cast<std::size_t>(depth);
    return std::string(n, '[') + std::string(n, ']');
  };
  CHECK(json_text(Json::parse(nested(500))) == nested(500));
  CHECK(refused_text(nested(501)) == "nests deeper than 500 levels");
  const std::size_t many = 10'000'000;
  CHECK(refused_text(std::string(many, '[')) == "nests deeper than 500 levels");
  CHECK(refused_text(R"({"a":[1,{}]})", {.depth = 3}) == "nothing");
  CHECK(refused_text(R"({"a":[1,{}]})", {.depth = 2}) == "nests deeper than 2 levels");
  CHECK(refused_text(R"({"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]})", {.unique_keys = true}) == "nothing");
  CHECK(refused_text(R"({"a":1,"b":{"c":1,"c":1}})", {.unique_keys = true}) == "names 'c' twice");
  CHECK(json_text(Json::parse(R"({"a":[1],"b":2,"a":{"c":3}})")) == R"({"a":{"c":3},"b":2})");
}

}  // namespace

#ifndef VOX_ADDRESS_SANITIZER  // whose allocator ends the process
TEST_CASE("a copy for which there is no memory is std::bad_alloc", "[json]") {
  Json list = Json::array();
  for (int i = 0; i < 300; ++i) { list.push_back(std::string(1000, 'x')); }
  const Json nested{{"a", list}, {"b", Json{{"c", list}}}};
  const rlimit none{0, 0};
  const pid_t child = fork();
  if (child == 0) {
    setrlimit(RLIMIT_CORE, &none);
    rlimit most{};
    getrlimit(RLIMIT_AS, &most);
    most.rlim_cur = 1;  // nothing more from the system
    setrlimit(RLIMIT_AS, &most);
    try {
      std::vector<Json> copies;
      for (;;) { copies.push_back(nested); }
    } catch (const std::bad_alloc&) { _exit(7); }
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
}
#endif

}  // namespace vox::test
