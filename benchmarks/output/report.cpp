#include "benchmarks/output/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <system_error>

#include "benchmarks/output/bench_page.h"
#include "engine/atomic_file.h"
#include "engine/csv.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/report/page.h"

namespace vox::bench {
namespace {

/// What was printed is on its way, and a run that is stopped keeps it.
void flush_lines() {
  if (std::fflush(stdout) == 0) { return; }
  VOX_FAIL_OUTPUT("cannot write to the standard output: {}", std::generic_category().message(errno));
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : json_text(value); }

/// As a cell of a Markdown table: a line, in which a bar ends nothing.
std::string cell_text(const std::string& text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') { cell += '\\'; }
    cell += c == '\n' || c == '\r' ? ' ' : c;
  }
  return cell;
}

/// In display columns: of UTF-8 text every byte but those that continue a character.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & '\xC0') != '\x80'; }));
}

}  // namespace

std::string digits(double value) {
  if (!std::isfinite(value)) { return "-"; }
  const double size = std::abs(value);
  const int decimals = size >= 1 ? 3 - static_cast<int>(std::floor(std::log10(size))) : size < 0.1 ? 4 : 3;
  return fmt::format("{:.{}f}", value, std::max(decimals, 0));
}

std::string percent(double share) { return std::isfinite(share) ? fmt::format("{:.1f}", 100 * share) : "-"; }

Report::Report(Files files) : files_(std::move(files)) {
  json_["facts"] = Json::object();
  json_["rows"] = Json::array();
}

void Report::head(const Json& facts) {
  for (const auto& [key, value] : facts.items()) {
    json_["facts"][key] = value;
    if (!value.is_structured()) { fmt::print("- {}: {}\n", key, text_of(value)); }
  }
  flush_lines();
}

void Report::table(std::vector<Column> columns) {
  columns_ = std::move(columns);
  std::vector<std::string> headings;
  std::string rule = "|";
  for (Column& c : columns_) {
    c.width = std::max(c.width, static_cast<int>(width_of(cell_text(c.heading))));
    headings.push_back(c.heading);
    const std::string dashes(static_cast<std::size_t>(c.width) + 1, '-');
    rule += c.text ? ":" + dashes + "|" : dashes + ":|";
  }
  fmt::print("\n");
  print(headings);
  fmt::print("{}\n", rule);
  flush_lines();
}

void Report::print(const std::vector<std::string>& cells) const {
  std::string line = "|";
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string cell = i < cells.size() ? cell_text(cells[i]) : "";
    const auto wanted = static_cast<std::size_t>(columns_[i].width);
    const std::string space(wanted - std::min(wanted, width_of(cell)), ' ');
    line += fmt::format(" {} |", columns_[i].text ? cell + space : space + cell);
  }
  fmt::print("{}\n", line);
}

void Report::row(const Json& record, const std::vector<std::string>& cells) {
  json_["rows"].push_back(record);
  print(cells);
  flush_lines();
  write();
}

void Report::failed(const Json& record, const std::vector<std::string>& first_cells, const std::string& why) {
  complete_ = false;
  left_out(record, first_cells, why);
}

void Report::left_out(const Json& record, const std::vector<std::string>& first_cells, const std::string& why) {
  Json with_reason = record;
  with_reason["error"] = why;
  json_["rows"].push_back(with_reason);
  std::string line = "|";
  for (std::size_t i = 0; i < first_cells.size(); ++i) {
    line += fmt::format(" {:<{}} |", cell_text(first_cells[i]), i < columns_.size() ? columns_[i].width : 0);
  }
  fmt::print("{} {} |\n", line, cell_text(why));
  flush_lines();
  write();
}

void Report::missing(const std::string& what) {
  complete_ = false;
  if (std::ranges::find(said_, what) != said_.end()) { return; }
  said_.push_back(what);
  json_["missing"].push_back(what);
  flush_lines();
  const std::string line = fmt::format("voxgrad bench: {}\n", what);
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
}

void Report::remark(const std::string& sentence) { remarks_.push_back(sentence); }

void Report::not_begun(std::size_t lines) {
  if (lines > 0) { remark(fmt::format("{} lines were not begun: the time was up", lines)); }
}

void Report::finish() const {
  if (!remarks_.empty()) { fmt::print("\n"); }
  for (const std::string& r : remarks_) { fmt::print("- {}\n", r); }
  if (!complete_) { throw Incomplete("not all that was asked for could be measured"); }
}

void Report::add(const std::string& key, const Json& value) {
  json_[key].push_back(value);
  write();
}

void Report::write() const {
  if (!files_.json.empty()) { write_file(files_.json, json_text(json_, 1) + "\n"); }
  if (!files_.csv.empty()) { write_file(files_.csv, csv_of(json_["rows"])); }
  if (!files_.page.empty()) { write_file(files_.page, report_page(bench_page(json_))); }
}

std::string csv_of(const Json& rows) {
  std::vector<std::string> keys;
  for (const Json& row : rows) {
    for (const auto& [key, value] : row.items()) {
      if (!value.is_structured() && std::ranges::find(keys, key) == keys.end()) { keys.push_back(key); }
    }
  }
  const auto line = [](const std::vector<std::string>& cells) { return fmt::format("{}\n", fmt::join(cells, ",")); };
  std::vector<std::string> headings;
  std::ranges::transform(keys, std::back_inserter(headings), csv_field);
  std::string text = line(headings);
  for (const Json& row : rows) {
    std::vector<std::string> cells;
    for (const std::string& key : keys) {
      const Json* const found = row.find(key);
      cells.push_back(found == nullptr || found->is_null() ? "" : csv_field(text_of(*found)));
    }
    text += line(cells);
  }
  return text;
}

}  // namespace vox::bench
