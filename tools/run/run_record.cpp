#include "tools/run/run_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <string_view>
#include <tuple>

#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "tools/run/stored_run.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

SeriesDice dice_in(const Json& regions) {
  SeriesDice dice{};
  for (std::size_t r = 0; r < kRegions.size(); ++r) {
    dice[r] = regions.at(dice_name(r)).get<double>();
    if (dice[r] < 0 || dice[r] > 1) {
      fail<JsonError>(__FILE__, __LINE__, fmt::format("a Dice of {} for {}, wants 0 to 1", dice[r], dice_name(r)));
    }
  }
  dice.back() = (dice[0] + dice[1] + dice[2]) / 3;
  return dice;
}

ValidatedEpoch validation_in(const Json& line, std::int64_t epoch) {
  ValidatedEpoch v{.epoch = epoch,
                   .dice = dice_in(line.at("dice")),
                   .all_background = dice_in(line.at("all_background").at("dice")),
                   .cases = {}};
  if (const Json* const cases = line.find("cases")) {
    for (const Json& one : *cases) { v.cases[one.at("id").get<std::string>()] = dice_in(one.at("dice")); }
  }
  return v;
}

/// Calls take(line) for every whole line; one cut short by a crash is left out.
template <class Take> void for_each_line(const fs::path& file, const Take& take) {
  std::istringstream in(read_regular(file));
  std::int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const Json j = Json::try_parse(line).value_or(nullptr);
    if (!j.is_object()) { continue; }
    try {
      take(j);
    } catch (const JsonError& e) { VOX_FAIL_DATA("{}, line {}: {}", file.string(), number, e.what()); }
  }
}

Json if_there(const Json& line, const char* key) {
  const Json* const found = line.find(key);
  return found == nullptr ? Json(nullptr) : *found;
}

LoggedStep step_in(const Json& line) {
  return {.step = line.at("step").get<std::int64_t>(),
          .epoch = line.at("epoch").get<std::int64_t>(),
          .cases = if_there(line, "cases"),
          .loss = if_there(line, "loss"),
          .gradient_norm = if_there(line, "gradient_norm"),
          .lr = if_there(line, "lr"),
          .digest = line.value("digest", ""),
          .seconds = line.value("seconds", 0.0)};
}

/// "seed42", "seed" -> 42
template <class Number> std::optional<Number> number_behind(const std::string& name, std::string_view word) {
  if (!name.starts_with(word)) { return std::nullopt; }
  Number n{};
  const char* const end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + word.size(), end, n);
  return parsed.ec == std::errc{} && parsed.ptr == end ? std::optional(n) : std::nullopt;
}

template <class Visit> void for_each_folder(const fs::path& folder, const Visit& visit) {
  if (!is_folder(folder)) { return; }
  for (const fs::directory_entry& entry : list_folder(folder)) {
    if (is_folder(entry)) { visit(entry.path(), entry.path().filename().string()); }
  }
}

}  // namespace

std::string dice_name(std::size_t c) { return c < kRegions.size() ? std::string(name(kRegions[c])) : "mean"; }

const ValidatedEpoch& RunRecord::best() const {
  VOX_CHECK_DATA(!validated.empty(), "{}: tells of no validation", (folder / "log.jsonl").string());
  return *std::ranges::max_element(validated, {}, [](const ValidatedEpoch& e) { return e.dice.back(); });
}

double RunRecord::seconds() const {
  double sum = 0;
  for (const Json& e : epochs) { sum += e.value("seconds", 0.0); }
  return sum;
}

bool is_run_folder(const fs::path& folder) { return is_there(folder / "log.jsonl"); }

bool is_series_folder(const fs::path& folder) { return !is_run_folder(folder) && !begun_runs(folder).empty(); }

RunRecord read_run(const fs::path& folder) {
  VOX_CHECK(is_run_folder(folder), "{}: holds no run of voxgrad train: there is no log.jsonl", folder.string());
  RunRecord run;
  run.folder = folder;
  if (fs::exists(folder / "last.safetensors")) { run.options = Json::parse(to_json(stored_run(folder).options)); }
  std::map<std::int64_t, LoggedStep> steps;
  std::map<std::int64_t, Json> epochs;
  std::map<std::int64_t, ValidatedEpoch> validated;
  for_each_line(folder / "log.jsonl", [&](const Json& line) {
    const std::string type = line.value("type", "");
    if (type == "start") {
      run.program = line.value("program", "");
      run.device = line.value("device", "");
    } else if (type == "step") {
      LoggedStep step = step_in(line);
      steps[step.step] = std::move(step);
    } else if (type == "epoch") {
      const auto epoch = line.at("epoch").get<std::int64_t>();
      epochs[epoch] = line;
      validated.erase(epoch);
      if (line.contains("dice")) { validated[epoch] = validation_in(line, epoch); }
    }
  });
  for (auto& [number, step] : steps) { run.steps.push_back(std::move(step)); }
  for (auto& [number, line] : epochs) { run.epochs.push_back(std::move(line)); }
  for (auto& [number, found] : validated) { run.validated.push_back(std::move(found)); }
  return run;
}

std::vector<SeriesRun> begun_runs(const fs::path& series) {
  std::vector<SeriesRun> runs;
  const auto look_for_folds = [&](const fs::path& in, const std::string& prefix, std::uint64_t seed) {
    for_each_folder(in, [&](const fs::path& folder, const std::string& word) {
      const auto fold = number_behind<std::int64_t>(word, "fold");
      if (fold && is_run_folder(folder)) { runs.push_back({.folder = prefix + word, .seed = seed, .fold = *fold}); }
    });
  };
  look_for_folds(series, "", 0);
  for_each_folder(series, [&](const fs::path& folder, const std::string& word) {
    const auto seed = number_behind<std::uint64_t>(word, "seed");
    if (!seed) { return; }
    if (is_run_folder(folder)) { runs.push_back({.folder = word, .seed = *seed, .fold = 0}); }
    look_for_folds(folder, word + "/", *seed);
  });
  std::ranges::sort(runs, {}, [](const SeriesRun& r) { return std::tuple(r.seed, r.fold); });
  return runs;
}

}  // namespace vox
