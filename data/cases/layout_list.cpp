// Layout list: a CSV file with a header line, or a JSON list of objects with the same keys. Columns are id, the images
// by any of their names, seg (or label, labels, segmentation) and brain_mask. Paths are relative to the list.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "data/cases/case_id.h"
#include "data/cases/layout_files.h"
#include "engine/json.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostColumns = 64;  // of a JSON list, each of whose cases is given a field for every one
constexpr const char* kSpace = " \t\r";

std::string trimmed(std::string text) {
  const std::size_t last = text.find_last_not_of(kSpace);
  text.erase(last == std::string::npos ? 0 : last + 1);
  text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
  return text;
}

/// Reads fields of one record at `at`, up to and with its line's end. A field in quotes may hold marks and line ends.
std::vector<std::string> record(const std::string& text, std::size_t& at, std::int64_t& line, char mark) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  bool blank = true;  // the field so far: asked at every quote, so not looked through
  for (; at < text.size(); ++at) {
    const char c = text[at];
    line += c == '\n' ? 1 : 0;
    const std::string_view space = kSpace;
    if (quoted && c == '"' && at + 1 < text.size() && text[at + 1] == '"') {
      fields.back() += c;
      blank = false;
      ++at;
    } else if (c == '"' && (quoted || blank)) {
      quoted = !quoted;
    } else if (!quoted && c == mark) {
      fields.emplace_back();
      blank = true;
    } else if (!quoted && c == '\n') {
      ++at;
      break;
    } else {
      fields.back() += c;
      blank = blank && space.find(c) != std::string_view::npos;
    }
  }
  for (std::string& f : fields) { f = trimmed(f); }
  return fields;
}

TextTable json_table(const fs::path& file) {
  const std::string text = text_of(file);
  TextTable table;
  try {
    const Json all = Json::parse(text);
    const Json* list = all.is_array() ? &all : all.find("cases");
    VOX_CHECK_DATA(list != nullptr && list->is_array(), "{}: wants a list of cases, or an object with a list 'cases'",
                   file.string());
    for (const Json& entry : *list) {
      const auto number = std::ssize(table.rows) + 1;
      VOX_CHECK_DATA(entry.is_object(), "{}: case {} is no object", file.string(), number);
      for (const auto& [key, value] : entry.items()) {
        VOX_CHECK_DATA(value.is_string() || value.is_null(), "{}: case {}: '{}' wants a path", file.string(), number,
                       key);
        if (table.column(key) < 0) { table.header.push_back(key); }
        VOX_CHECK_DATA(table.header.size() <= kMostColumns, "{}: case {}: '{}' is key {}, wants at most {} in all",
                       file.string(), number, key, table.header.size(), kMostColumns);
      }
      TextTable::Row& row = table.rows.emplace_back();
      row.line = number;
      for (const std::string& key : table.header) {
        const Json* const value = entry.find(key);
        row.fields.push_back(value != nullptr && value->is_string() ? value->get<std::string>() : "");
      }
    }
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: {}", file.string(), e.what()); }
  for (TextTable::Row& row : table.rows) { row.fields.resize(table.header.size()); }
  return table;
}

/// What a column's paths are: an image, by its number, or one of these.
constexpr std::size_t kLabels = kModalities.size();
constexpr std::size_t kMask = kLabels + 1;
constexpr std::size_t kId = kMask + 1;

std::optional<std::size_t> role_of_column(const std::string& column) {
  const std::string word = lower_case(column);
  if (column == "id") { return kId; }
  if (word == "seg" || word == "label" || word == "labels" || word == "segmentation") { return kLabels; }
  if (word == "brain_mask") { return kMask; }
  const auto m = modality_named(column);
  return m ? std::optional(static_cast<std::size_t>(*m)) : std::nullopt;
}

/// Of every column, each of which differs from the others.
std::vector<std::size_t> roles_of(const TextTable& table, const std::string& file) {
  VOX_CHECK_DATA(table.column("id") >= 0,
                 "{}: no column 'id'; wants id, t1, t1ce, t2, flair, and seg and brain_mask where there are any", file);
  std::vector<std::size_t> roles;
  for (const std::string& column : table.header) {
    VOX_CHECK_DATA(lower_case(column) != "mask",
                   "{}: column 'mask' is the labels for some tools and the brain for others: call it seg or brain_mask",
                   file);
    const auto role = role_of_column(column);
    VOX_CHECK_DATA(
        role,
        "{}: column '{}' is unknown; wants id, t1, t1ce, t2, flair, seg, brain_mask, or another name of these "
        "(docs/layouts.md)",
        file, column);
    VOX_CHECK_DATA(std::ranges::find(roles, *role) == roles.end(),
                   "{}: two columns are the same: '{}' and one before it", file, column);
    roles.push_back(*role);
  }
  return roles;
}

}  // namespace

std::ptrdiff_t TextTable::column(std::string_view wanted) const {
  const auto at = std::ranges::find(header, wanted);
  return at == header.end() ? -1 : at - header.begin();
}

TextTable read_table(const fs::path& file, char mark) {
  const std::string text = text_of(file);
  TextTable table;
  std::int64_t line = 1;
  for (std::size_t at = 0; at < text.size();) {
    const std::int64_t first_line = line;
    std::vector<std::string> fields = record(text, at, line, mark);
    if (fields.size() == 1 && fields.front().empty()) { continue; }
    if (table.header.empty()) {
      table.header = std::move(fields);
      continue;
    }
    VOX_CHECK_DATA(fields.size() == table.header.size(), "{}: line {} has {} fields, the header has {}", file.string(),
                   first_line, fields.size(), table.header.size());
    table.rows.push_back({.fields = std::move(fields), .line = first_line});
  }
  return table;
}

Dataset list_cases(const fs::path& file) {
  const bool json = lower_case(file.extension().string()) == ".json";
  const TextTable table = json ? json_table(file) : read_table(file, ',');
  const char* const where = json ? "case" : "line";
  const std::vector<std::size_t> roles = roles_of(table, file.string());
  const auto id_column = static_cast<std::size_t>(table.column("id"));
  const fs::path folder = file.parent_path();
  Dataset d{.layout = CaseLayout::list, .why = {}, .cases = {}, .notes = {}};
  std::set<std::string> ids;
  for (const TextTable::Row& row : table.rows) {
    CaseFiles c;
    c.id = row.fields[id_column];
    c.folder = file;
    VOX_CHECK_DATA(is_case_id(c.id), "{}: {} {}: the id '{}' cannot be a file's name", file.string(), where, row.line,
                   c.id);
    VOX_CHECK_DATA(ids.insert(c.id).second, "{}: {} {}: the id '{}' is there already", file.string(), where, row.line,
                   c.id);
    for (std::size_t i = 0; i < roles.size(); ++i) {
      if (roles[i] == kId) { continue; }
      if (roles[i] == kMask) { c.mask_suffix = "brain_mask"; }
      const std::string& path = row.fields[i];
      VOX_CHECK_DATA(path.find('\0') == std::string::npos, "{}: {} {}: the path of '{}' holds a byte of 0",
                     file.string(), where, row.line, table.header[i]);
      if (path.empty()) { continue; }
      fs::path& place = roles[i] == kLabels ? c.labels : roles[i] == kMask ? c.mask : c.images[roles[i]];
      place = folder / path;
    }
    d.cases.push_back(std::move(c));
  }
  VOX_CHECK_DATA(!d.cases.empty(), "{}: lists no case", file.string());
  return d;
}

}  // namespace vox
