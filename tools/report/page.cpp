#include "tools/report/page.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/report/assets.h"

namespace vox {
namespace {

std::string html_text(const std::string& bytes) {
  std::string safe;
  for (const char c : utf8_text(bytes)) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

/// JSON within <script>: no "<" that could end it, or begin a comment.
std::string script_text(const std::string& json) {
  std::string safe;
  safe.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

/// Adds "outer inner": value for everything in an object that is no object itself.
void flatten(const Json& object, const std::string& before, Json& flat) {
  for (const auto& [key, value] : object.items()) {
    const std::string name = before.empty() ? key : before + " " + key;
    if (value.is_object()) {
      flatten(value, name, flat);
    } else {
      flat[name] = value;
    }
  }
}

}  // namespace

std::string report_page(const Json& model) {
  const ReportAssets& assets = report_assets();
  const std::string title = html_text(model.value("title", "voxgrad"));
  const std::string data = script_text(json_text(model));
  std::string page;
  page.reserve(assets.page.size() + assets.style.size() + assets.script.size() + data.size() + title.size());
  std::string_view rest = assets.page;
  const std::vector<std::pair<std::string_view, std::string_view>> parts{
      {"@TITLE@", title}, {"@STYLE@", assets.style}, {"@MODEL@", data}, {"@SCRIPT@", assets.script}};
  for (const auto& [mark, content] : parts) {  // in their order: what was put in is not looked through
    const std::size_t at = rest.find(mark);
    VOX_CHECK(at != std::string_view::npos, "the page of reports has no {}", mark);
    page.append(rest.substr(0, at)).append(content);
    rest.remove_prefix(at + mark.size());
  }
  return page.append(rest);
}

Json section(std::string_view kind, std::string_view title, std::string_view note) {
  Json s{{"kind", kind}, {"title", title}};
  if (!note.empty()) { s["note"] = note; }
  return s;
}

Json series(std::string_view name, Json x, Json y, std::string_view style) {
  return {{"name", name}, {"x", std::move(x)}, {"y", std::move(y)}, {"style", style}};
}

Json table_of(const Json& records, std::string_view title, std::string_view note) {
  std::vector<Json> flat;
  std::vector<std::string> keys;
  for (const Json& record : records) {
    Json& one = flat.emplace_back(Json::object());
    flatten(record, "", one);
    for (const auto& [key, value] : one.items()) {
      if (!value.is_array() && std::ranges::find(keys, key) == keys.end()) { keys.push_back(key); }
    }
  }
  Json table = section("table", title, note);
  table["columns"] = Json::array();
  for (std::string key : keys) {
    std::ranges::replace(key, '_', ' ');
    table["columns"].push_back({{"title", key}});
  }
  table["rows"] = Json::array();
  for (const Json& one : flat) {
    Json row = Json::array();
    for (const std::string& key : keys) {
      const Json* const found = one.find(key);
      row.push_back(found == nullptr ? Json(nullptr) : *found);
    }
    table["rows"].push_back(row);
  }
  return table;
}

Json facts_of(const Json& object, std::string_view title, std::string_view note) {
  Json flat = Json::object();
  flatten(object, "", flat);
  Json facts = section("facts", title, note);
  facts["items"] = Json::array();
  for (const auto& [key, value] : flat.items()) {
    facts["items"].push_back(
        Json::array({key, value.is_array() || value.is_boolean() ? Json(json_text(value)) : value}));
  }
  return facts;
}

}  // namespace vox
