#include "tools/run/preset_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/json.h"
#include "engine/json_text.h"

namespace vox {
namespace {

using Table = std::vector<std::pair<std::string_view, std::string_view>>;

/// nnU-Net v2's training of BraTS, as far as there are options for it.
const Table kNnunet{
    {"targets", "regions"}, {"loss", "dice+bce"},     {"sums", "batch"},          {"patch", "128"},
    {"foreground", "0.33"}, {"batch", "2"},           {"steps-per-epoch", "250"}, {"epochs", "1000"},
    {"optimizer", "sgd"},   {"momentum", "0.99"},     {"nesterov", "on"},         {"schedule", "poly"},
    {"lr", "0.01"},         {"weight-decay", "3e-5"}, {"clip-norm", "12"},        {"augment", "nnunet"},
};
/// What trained best on two cores (docs/results.md).
const Table kBest{
    {"targets", "regions"}, {"loss", "dice+bce"}, {"sums", "batch"},          {"patch", "64"},
    {"foreground", "0.33"}, {"batch", "2"},       {"steps-per-epoch", "250"}, {"epochs", "16"},
    {"optimizer", "adam"},  {"lr", "0.003"},      {"schedule", "poly"},       {"poly-every", "step"},
    {"clip-norm", "12"},    {"ema", "0.999"},     {"augment", "nnunet"},
};
const Table kNothing;

std::string json_key(std::string_view option) {
  std::string key(option);
  std::ranges::replace(key, '-', '_');
  return key;
}

/// The text of an option as a value of the kind that stands there.
Json value_like(const Json& before, std::string_view text) {
  if (before.is_string()) { return Json(text); }
  return Json::parse(before.is_array() ? fmt::format("[{}]", text) : std::string(text));
}

bool stands_back(std::string_view option, const std::set<std::string>& given) {
  return given.contains(json_key(option)) || (option == "patch" && given.contains("size"));
}

}  // namespace

const Table& preset_options(std::string_view preset) {
  return preset == "nnunet" ? kNnunet : preset == "best" ? kBest : kNothing;
}

PresetApplied apply_preset(const TrainOptions& o, const std::set<std::string>& given) {
  const bool classes = given.contains("targets") && o.targets == "classes";
  Json all = Json::parse(to_json(o));
  std::vector<std::string> said;
  for (const auto& [option, usual] : preset_options(o.preset)) {
    if (stands_back(option, given)) { continue; }
    const std::string_view value = option == "loss" && classes ? "dice+ce" : usual;
    Json& there = all[json_key(option)];
    there = value_like(there, value);
    said.push_back(fmt::format("{} {}", option, value));
  }
  if (!preset_options(o.preset).empty() && classes && !given.contains("background")) {
    all["background"] = "exclude-dice";
    said.emplace_back("background exclude-dice");
  }
  TrainOptions applied = train_options_from_json(json_text(all), "preset " + o.preset);
  applied.splits = o.splits;  // as it was given: JSON would change a name that is not UTF-8
  if (stands_back("patch", given)) { applied.patch = o.patch; }  // and make three numbers of one
  return {.options = applied, .said = fmt::format("{}", fmt::join(said, ", "))};
}

}  // namespace vox
