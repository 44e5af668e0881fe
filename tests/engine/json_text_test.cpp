#include "engine/json_text.h"

#include <nlohmann/json.hpp>
#include <string>

#include "engine/json.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

TEST_CASE("text that is UTF-8 stays, and every byte that belongs to no valid sequence is escaped", "[json]") {
  using namespace std::string_literals;
  for (const std::string& text : {""s, "Smith, John"s, "a\0b"s, "M\xC3\xBCller"s, "\xE2\x82\xAC \xF0\x9F\x98\x80"s,
                                  "\xEF\xBF\xBF\xF4\x8F\xBF\xBF\xED\x9F\xBF\xE0\xA0\x80"s}) {
    CHECK(utf8_text(text) == text);
  }
  CHECK(utf8_text("M\xFCller") == "M\\xfcller");
  CHECK(utf8_text("\xFC\xC3\xBC\xFF") == "\\xfc\xC3\xBC\\xff");
  CHECK(utf8_text("\xC0\xAF") == "\\xc0\\xaf");                    // overlong
  CHECK(utf8_text("\xC1\x81") == "\\xc1\\x81");                    // overlong
  CHECK(utf8_text("\xE0\x9F\xBF") == "\\xe0\\x9f\\xbf");           // overlong
  CHECK(utf8_text("\xF0\x8F\xBF\xBF") == "\\xf0\\x8f\\xbf\\xbf");  // overlong
  CHECK(utf8_text("\xED\xA0\x80") == "\\xed\\xa0\\x80");           // a surrogate
  CHECK(utf8_text("\xF4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  CHECK(utf8_text("\xF5\x80\x80\x80") == "\\xf5\\x80\\x80\\x80");
  CHECK(utf8_text("\xE2\x82") == "\\xe2\\x82");  // cut
  CHECK(utf8_text("\xE2\x82z") == "\\xe2\\x82z");
  CHECK(utf8_text("\x80") == "\\x80");
}

/// Every text of up to three bytes that matter is taken by the JSON library as it comes out.
TEST_CASE("what comes out is what the JSON library calls UTF-8, and what it calls UTF-8 stays", "[json]") {
  const std::string bytes = "a\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xC2\xDF\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5\xFF";
  const auto is_taken = [](const std::string& text) {
    try {
      static_cast<void>(nlohmann::json(text).dump());
      return true;
    } catch (const nlohmann::json::type_error&) { return false; }
  };
  std::string text(4, 'a');
  std::size_t wrong = 0;
  for (const char a : bytes) {
    for (const char b : bytes) {
      for (const char c : bytes) {
        for (const char d : bytes) {
          text = {a, b, c, d};
          const std::string out = utf8_text(text);
          if (!is_taken(out) || is_taken(text) != (out == text)) { ++wrong; }
        }
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("JSON is written as ever where it is UTF-8, and at any depth where it is not", "[json]") {
  const Json fine = {{"b", {1, 2.5, nullptr, true}}, {"a", {{"caf\xC3\xA9", "x"}}}, {"empty", Json::object()}};
  const nlohmann::ordered_json same = {
      {"b", {1, 2.5, nullptr, true}}, {"a", {{"caf\xC3\xA9", "x"}}}, {"empty", nlohmann::ordered_json::object()}};
  for (const int indent : {-1, 0, 1, 2}) { CHECK(json_text(fine, indent) == same.dump(indent)); }
  Json bytes = fine;
  bytes["list"] = Json::array({{{"name", "M\xFCller"}}, "\xFF"});
  bytes["deep"]["M\xFCller"] = 3;
  const auto read = nlohmann::json::parse(json_text(bytes));
  CHECK(read["list"][0]["name"] == "M\\xfcller");
  CHECK(read["list"][1] == "\\xff");
  CHECK(read["deep"]["M\\xfcller"] == 3);
  CHECK(read["b"] == nlohmann::json(same["b"]));
  CHECK(json_text("\xFC") == R"("\\xfc")");
}

TEST_CASE("two keys that differ in bytes are two keys in the text", "[json]") {
  for (const bool bytes_first : {true, false}) {
    Json j = Json::object();
    if (bytes_first) { j["M\xFC"] = 1; }
    j["M\\xfc"] = 2;
    j["M\\xfc (2)"] = 3;
    if (!bytes_first) { j["M\xFC"] = 1; }
    j["\xFC\\xfd"] = 4;
    j["\\xfc\xFD"] = 5;
    const auto read = nlohmann::json::parse(json_text(j));
    REQUIRE(read.size() == 5);
    CHECK(read["M\\xfc"] == 2);  // a key that is UTF-8 keeps its name
    CHECK(read["M\\xfc (2)"] == 3);
    CHECK(read["M\\xfc (3)"] == 1);
    CHECK(read["\\xfc\\xfd"].get<int>() + read["\\xfc\\xfd (2)"].get<int>() == 9);
  }
}

}  // namespace
}  // namespace vox::test
