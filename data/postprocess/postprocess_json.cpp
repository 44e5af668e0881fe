#include <cmath>
#include <iterator>
#include <utility>

#include "data/postprocess/postprocess.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::array<std::pair<std::int64_t, Connectivity>, 3> kNeighbours{
    {{6, Connectivity::faces}, {18, Connectivity::edges}, {26, Connectivity::corners}}};

[[noreturn]] void refuse(const std::string& what) { fail<JsonError>(__FILE__, __LINE__, what); }

/// {"WT": value} of the regions whose value is not the usual one; null where none is.
template <class T> Json by_region(const std::array<T, kRegions.size()>& values) {
  Json j;
  for (std::size_t r = 0; r < values.size(); ++r) {
    if (values[r] != T{}) { j[name(kRegions[r])] = values[r]; }
  }
  return j;
}

void read(const Json& j, bool& value) {
  if (!j.is_boolean()) { refuse("wants true or false"); }
  j.get_to(value);
}

void read(const Json& j, double& value) {
  if (!j.is_number()) { refuse("wants a number of mm3"); }
  j.get_to(value);
  if (!std::isfinite(value) || value < 0) { refuse("wants 0 or more mm3"); }
}

template <class T> void read(const Json& j, std::array<T, kRegions.size()>& values) {
  if (!j.is_object()) { refuse("wants an object with WT, TC or ET"); }
  for (const auto& [region, value] : j.items()) {
    bool known = false;
    for (std::size_t r = 0; r < values.size(); ++r) {
      if (region != name(kRegions[r])) { continue; }
      read(value, values[r]);
      known = true;
    }
    if (!known) { refuse("'" + region + "' is none of WT, TC, ET"); }
  }
}

void read(const Json& j, Connectivity& value) {
  for (const auto& [neighbours, connectivity] : kNeighbours) {
    if (j.is_number_integer() && j.get<std::int64_t>() == neighbours) {
      value = connectivity;
      return;
    }
  }
  refuse("wants 6, 18 or 26");
}

}  // namespace

std::string to_json(const PostprocessRules& rules) {
  Json all = Json::object();
  for (const auto& [neighbours, connectivity] : kNeighbours) {
    if (connectivity == rules.connectivity) { all["connectivity"] = neighbours; }
  }
  const auto add = [&](const char* key, const Json& value) {
    if (!value.is_null()) { all[key] = value; }
  };
  add("keep_largest", by_region(rules.keep_largest));
  add("min_component_mm3", by_region(rules.min_component_mm3));
  if (rules.min_enhancing_mm3 > 0) { all["min_enhancing_mm3"] = rules.min_enhancing_mm3; }
  add("fill_holes", by_region(rules.fill_holes));
  return json_text(all);
}

PostprocessRules read_postprocess_rules(const std::filesystem::path& path) {
  const std::string file = path.string();
  const std::string text = read_file(path);
  PostprocessRules rules;
  std::string where;
  try {
    const Json all = Json::parse(text, {.unique_keys = true});
    if (!all.is_object()) { refuse("wants an object"); }
    for (const auto& [key, value] : all.items()) {
      where = key + ": ";
      if (key == "connectivity") {
        read(value, rules.connectivity);
      } else if (key == "keep_largest") {
        read(value, rules.keep_largest);
      } else if (key == "min_component_mm3") {
        read(value, rules.min_component_mm3);
      } else if (key == "min_enhancing_mm3") {
        read(value, rules.min_enhancing_mm3);
      } else if (key == "fill_holes") {
        read(value, rules.fill_holes);
      } else if (key != "tuned") {
        refuse("unknown, wants connectivity, keep_largest, min_component_mm3, min_enhancing_mm3 or fill_holes");
      }
    }
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: {}{}", file, where, e.what()); }
  return rules;
}

}  // namespace vox
