#pragma once

#include <string>
#include <string_view>

#include "engine/json.h"

namespace vox {

/// One HTML file that holds all it needs and asks no network for anything: a model and the scripts that draw it.
/// {"title", "subtitle", "refresh_seconds" (0: never), "sections": [{"kind", "title", "note", ...}]}, kinds:
/// facts {"items": [[name, value]]}   text {"text"}   message {"text"}
/// table {"columns": [{"title", "digits"}], "rows", "sort": {"column", "descending"}}
/// charts {"wide", "charts": [{"title", "x_label", "y_label", "x_log", "y_log", "y_min", "y_max", "x", "series":
/// [{"name",
///   "x", "y", "names", "style": line, dashed or points}]}]}
/// distributions {"distributions": [{"title", "y_label", "groups": [{"name", "values", "names", "baseline"}]}]}
/// cases {"classes": [{"name", "colour"}], "cases": [case_picture()]}
/// Every text may hold anything, it is shown as it is. Numbers that are not finite are shown as not measured.
[[nodiscard]] std::string report_page(const Json& model);

[[nodiscard]] Json section(std::string_view kind, std::string_view title, std::string_view note = {});
[[nodiscard]] Json series(std::string_view name, Json x, Json y, std::string_view style = "line");

/// A table of objects: a column for every key of any of them whose value is a number or a text, objects within them as
/// "outer inner", and with spaces for underscores.
[[nodiscard]] Json table_of(const Json& records, std::string_view title, std::string_view note = {});
/// {"a": 1, "b": {"c": "x"}} as lines of a facts section: "a", "b c". Arrays are written in one line.
[[nodiscard]] Json facts_of(const Json& object, std::string_view title, std::string_view note = {});

}  // namespace vox
