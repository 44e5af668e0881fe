#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "engine/json.h"

namespace vox::bench {

/// Four digits that count, without an exponent: "0.0123", "12.34", "1234".
[[nodiscard]] std::string digits(double value);
[[nodiscard]] std::string percent(double share);  ///< "87.5"; "-" for what is not finite

struct Column {
  std::string heading;
  int width = 0;      ///< at least so many characters
  bool text = false;  ///< to the left
};

/// A run that printed its table and said what is missing from it: exit code 2.
class Incomplete : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The results of one run as they come: a table on stdout that pastes into Markdown, and files for programs. A run that
/// is stopped keeps its lines and files.
class Report {
 public:
  struct Files {
    std::string json;  ///< paths; empty: none
    std::string csv;
    std::string page{};  ///< HTML
  };
  explicit Report(Files);

  /// What is said above the tables, "- key: value" each, and goes into the JSON file as it is.
  void head(const Json& facts);
  /// Starts a table. Its rows follow.
  void table(std::vector<Column>);
  /// One result: all of it for the files, and its line of the table.
  void row(const Json& record, const std::vector<std::string>& cells);
  /// A result that is missing, with the reason in place of figures: the run goes on and ends with exit code 2.
  void failed(const Json& record, const std::vector<std::string>& first_cells, const std::string& why);
  /// The same where the run is complete without it: one of several ways, of which another worked.
  void left_out(const Json& record, const std::vector<std::string>& first_cells, const std::string& why);
  void incomplete() { complete_ = false; }
  /// Something that was asked for and could not be had: a rival that is not installed. One line on stderr, once.
  void missing(const std::string& what);
  void remark(const std::string& sentence);  ///< to be said below the tables
  void not_begun(std::size_t lines);         ///< remarks on lines for which the time was up; none where there are none
  /// Says the remarks. Throws Incomplete where something is missing.
  void finish() const;
  void add(const std::string& key, const Json& value);  ///< to a list of the JSON file

  [[nodiscard]] const Json& json() const { return json_; }  ///< {"facts": …, "rows": […]}

 private:
  void print(const std::vector<std::string>& cells) const;
  void write() const;

  Files files_;
  std::vector<Column> columns_;
  Json json_;
  std::vector<std::string> said_;
  std::vector<std::string> remarks_;
  bool complete_ = true;
};

/// The rows as CSV: a column for every key of any row whose value is a number or a text. Quoted where RFC 4180 asks.
[[nodiscard]] std::string csv_of(const Json& rows);

}  // namespace vox::bench
