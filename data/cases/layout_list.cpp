// Layout list: a CSV file with a header line, or a JSON list of objects with the same keys. Columns are id, the images
// by any of their names, seg (or label, labels, segmentation) and brain_mask. Paths are relative to the list.

#include <fmt/format.h>

#include <algorithm>
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

/// Where a column's paths go.
fs::path* place_of(CaseFiles& c, const std::string& column) {
  const std::string word = lower_case(column);
  if (word == "seg" || word == "label" || word == "labels" || word == "segmentation") { return &c.labels; }
  if (word == "brain_mask") { return &c.mask; }
  const auto m = modality_named(column);
  return m ? &c.images[static_cast<std::size_t>(*m)] : nullptr;
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
  const std::ptrdiff_t id_column = table.column("id");
  VOX_CHECK_DATA(id_column >= 0,
                 "{}: no column 'id'; wants id, t1, t1ce, t2, flair, and seg and brain_mask where there are any",
                 file.string());
  Dataset d{.layout = CaseLayout::list, .why = {}, .cases = {}, .notes = {}};
  std::set<std::string> ids;
  for (const TextTable::Row& row : table.rows) {
    CaseFiles c;
    c.id = row.fields[static_cast<std::size_t>(id_column)];
    c.folder = file;
    VOX_CHECK_DATA(is_case_id(c.id), "{}: {} {}: the id '{}' cannot be a file's name", file.string(), where, row.line,
                   c.id);
    VOX_CHECK_DATA(ids.insert(c.id).second, "{}: {} {}: the id '{}' is there already", file.string(), where, row.line,
                   c.id);
    for (std::size_t i = 0; i < table.header.size(); ++i) {
      if (static_cast<std::ptrdiff_t>(i) == id_column) { continue; }
      const std::string& column = table.header[i];
      VOX_CHECK_DATA(
          lower_case(column) != "mask",
          "{}: column 'mask' is the labels for some tools and the brain for others: call it seg or brain_mask",
          file.string());
      fs::path* const place = place_of(c, column);
      VOX_CHECK_DATA(
          place != nullptr,
          "{}: column '{}' is unknown; wants id, t1, t1ce, t2, flair, seg, brain_mask, or another name of these "
          "(docs/layouts.md)",
          file.string(), column);
      VOX_CHECK_DATA(place->empty(), "{}: two columns are the same: '{}' and one before it", file.string(), column);
      if (place == &c.mask) { c.mask_suffix = "brain_mask"; }
      const std::string& path = row.fields[i];
      VOX_CHECK_DATA(path.find('\0') == std::string::npos, "{}: {} {}: the path of '{}' holds a byte of 0",
                     file.string(), where, row.line, column);
      if (!path.empty()) { *place = file.parent_path() / path; }
    }
    d.cases.push_back(std::move(c));
  }
  VOX_CHECK_DATA(!d.cases.empty(), "{}: lists no case", file.string());
  return d;
}

}  // namespace vox
