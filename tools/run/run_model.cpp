// The page of a run: what is known of it, section by section.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "engine/memory_limits.h"
#include "engine/read_file.h"
#include "tools/report/case_picture.h"
#include "tools/report/page.h"
#include "tools/run/run_report.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

constexpr double kRefreshSeconds = 30;

Json json_of(const fs::path& file) {
  check_regular(file);
  const auto text = read_file_if_there(file);
  return text ? Json::try_parse(*text).value_or(nullptr) : Json(nullptr);
}

Json message(std::string_view title, const std::string& text) {
  Json s = section("message", title);
  s["text"] = text;
  return s;
}

void add_validation(Json& sections, const RunHistory& h, const fs::path& run) {
  if (h.validated() == nullptr) {
    sections.push_back(
        message("Validation",
                "This run has not been validated yet: it has no scores of cases and no pictures. A fold with cases "
                "to validate is validated every --validate-every epochs and after the last one."));
    return;
  }
  const Json& best = *h.best();
  const Json* const cases = best.find("cases");
  if (cases == nullptr || cases->empty()) {
    sections.push_back(message("Validation",
                               "The log of this run has no scores of single cases: it was written by an "
                               "earlier version. A resumed run will have them."));
    return;
  }
  const double epoch = number_in(best, "epoch");
  Json table = table_of(*cases, "Cases of the validation",
                        fmt::format("On the network's grid, after epoch {}, the best: the weights of best.safetensors. "
                                    "all background: Dice of a prediction of nothing.",
                                    epoch));
  std::size_t dice_at = 0;
  for (std::size_t k = 0; k < table["columns"].size(); ++k) {
    if (table["columns"][k]["title"] == "mean dice") { dice_at = k; }
  }
  table["sort"] = {{"column", dice_at}};
  sections.push_back(table);
  Json spread = section("distributions", "Spread over cases",
                        "Box: quartiles and median. Dashed: mean of a prediction of "
                        "nothing.");
  Json d{{"title", "Dice"}, {"y_label", "Dice"}, {"y_min", 0}, {"y_max", 1}, {"groups", Json::array()}};
  for (const std::string& region : keys_of(best.find("dice"))) {
    Json g{{"name", region}, {"values", Json::array()}, {"names", Json::array()}};
    for (const Json& c : *cases) {
      g["values"].push_back(number_in(c["dice"], region));
      g["names"].push_back(c["id"]);
    }
    if (const Json* const nothing = best.find("all_background")) {
      g["baseline"] = number_in((*nothing)["dice"], region);
    }
    d["groups"].push_back(g);
  }
  spread["distributions"] = Json::array({d});
  sections.push_back(spread);
  const Json pictures = json_of(run / "pictures.json");
  if (!pictures.is_object() || !pictures.contains("cases") || pictures["cases"].empty()) { return; }
  Json shown = section("cases", "Worst, median and best case",
                       fmt::format("By mean Dice after epoch {}, on the network's grid. The patient's right is at the "
                                   "left.",
                                   number_in(pictures, "epoch")));
  shown["classes"] = shown_classes();
  shown["cases"] = pictures["cases"];
  sections.push_back(shown);
}

void add_data(Json& sections, const fs::path& run) {
  const Json data = json_of(run / "data.json");
  if (!data.is_object() || !data.contains("cases") || data["cases"].empty()) { return; }
  Json records = Json::array();
  Json spreads = Json::array();
  std::vector<std::string> parts;
  for (const Json& c : data["cases"]) {
    const auto size = c["size"].get<std::vector<std::int64_t>>();
    const auto spacing = c["spacing_mm"].get<std::vector<double>>();
    Json one{{"case", c["id"]}, {"set", c["set"]}};
    one["grid"] = fmt::format("{}", fmt::join(size, "x"));
    one["voxel mm"] = fmt::format("{:.3g}", fmt::join(spacing, "x"));
    if (const Json* const ml = c.find("ml")) {
      if (parts.empty()) { parts = keys_of(ml); }
      for (const auto& [part, value] : ml->items()) { one[part + " ml"] = value; }
    }
    records.push_back(one);
  }
  for (const std::string& part : parts) {
    Json d{{"title", part + ", ml"}, {"y_label", "ml"}, {"y_min", 0}, {"groups", Json::array()}};
    for (const char* const set : {"train", "validation"}) {
      Json g{{"name", set}, {"values", Json::array()}, {"names", Json::array()}};
      for (const Json& c : data["cases"]) {
        if (c["set"] != set || !c.contains("ml")) { continue; }
        g["values"].push_back(number_in(c["ml"], part));
        g["names"].push_back(c["id"]);
      }
      d["groups"].push_back(g);
    }
    spreads.push_back(d);
  }
  const auto of_set = [&](const char* set) {
    return std::count_if(data["cases"].begin(), data["cases"].end(), [&](const Json& c) { return c["set"] == set; });
  };
  Json s = section("distributions", "Data",
                   fmt::format("{} cases to train, {} to validate. Volumes of the labels, on the network's grid.",
                               of_set("train"), of_set("validation")));
  s["distributions"] = spreads;
  sections.push_back(s);
  sections.push_back(table_of(records, "Label volumes by case"));
}

void add_memory(Json& sections, const RunHistory& h) {
  const Json* const plan = h.start().find("memory");
  double tensors = 0;
  double resident = 0;
  for (const Json& e : h.epochs()) {
    tensors = std::fmax(tensors, number_in(e, "peak_tensor_bytes"));
    resident = std::fmax(resident, number_in(e, "peak_resident_bytes"));
  }
  Json s = section("facts", "Memory, planned and used");
  s["items"] = Json::array();
  const auto add = [&](const char* what, double bytes) {
    if (!(bytes > 0)) { return; }
    const bool known = bytes < 0x1p63;  // a plan without a limit has the largest number
    const std::string text = known ? bytes_text(static_cast<std::size_t>(bytes)) : "no limit known";
    s["items"].push_back(Json::array({what, text}));
  };
  if (plan != nullptr) {
    add("planned: tensors of a step", number_in(*plan, "step_peak_bytes"));
    add("planned: tensors of a validation", number_in(*plan, "validation_peak_bytes"));
    add("planned: of a step, from the system", number_in(*plan, "step_system_bytes"));
    add("planned: batches that wait, on the host", number_in(*plan, "waiting_bytes"));
    add("there was", number_in(*plan, "limit_bytes"));
  }
  add("used: peak of tensors", tensors);
  add("used: peak of the process, resident", resident);
  if (!s["items"].empty()) { sections.push_back(s); }
}

Json overview(const RunHistory& h, double epochs, const std::string& state) {
  Json facts{{"state", state}};
  facts["epochs"] =
      epochs > 0 ? fmt::format("{} of {}", h.epochs().size(), epochs) : fmt::format("{}", h.epochs().size());
  if (const Json* const ranks = h.start().find("ranks")) { facts["ranks"] = ranks->size(); }
  if (!h.epochs().empty()) {
    const Json& last = h.epochs().back();
    facts["steps"] = number_in(last, "step");
    facts["train loss, last epoch"] = number_in(last, "train_loss");
    double seconds = 0;
    for (const Json& e : h.epochs()) {
      for (const char* const key : {"seconds", "validate_seconds"}) {
        if (const double s = number_in(e, key); s > 0) { seconds += s; }
      }
    }
    facts["hours of training and validation"] = seconds / 3600;
  }
  if (const Json* const best = h.best()) {
    facts["best mean Dice of the validation"] =
        fmt::format("{:.4f}, epoch {}", mean_dice(*best), number_in(*best, "epoch"));
    for (const auto& [region, value] : best->at("dice").items()) { facts["best epoch: Dice " + region] = value; }
  }
  for (const std::string& note : h.notes()) { facts[fmt::format("note {}", facts.size())] = note; }
  return facts_of(facts, "Overview");
}

}  // namespace

Json run_model(const fs::path& run, const RunHistory& h, bool running) {
  const double epochs = number_in(h.start(), "epochs");
  const bool done = static_cast<double>(h.epochs().size()) >= epochs ||
                    std::ranges::any_of(h.notes(), [](const std::string& n) { return n.starts_with("ended after"); });
  const std::string state = done      ? "finished"
                            : running ? "running"
                            : std::isnan(epochs)
                                ? "unknown: written by an earlier version, which did not log how many epochs it wants"
                                : "not finished: it was stopped, or is still running; --resume goes on";
  const fs::path name = run.filename().empty() ? run.parent_path().filename() : run.filename();
  Json sections = Json::array();
  sections.push_back(overview(h, epochs, state));
  sections.push_back(run_curves(h));
  add_validation(sections, h, run);
  try {
    add_data(sections, run);
  } catch (const JsonError& e) {
    sections.push_back(message("Data", fmt::format("{}: is damaged: {}", (run / "data.json").string(), e.what())));
  }
  add_memory(sections, h);
  check_regular(run / "config.toml");
  if (auto config = read_file_if_there(run / "config.toml")) {
    Json s = section("text", "Configuration", "Every option of the run, as train --config takes it.");
    s["text"] = *std::move(config);
    sections.push_back(s);
  }
  if (const Json environment = json_of(run / "env.json"); environment.is_object()) {
    sections.push_back(facts_of(environment, "Environment", "Where the run was started or last went on."));
  }
  return {{"title", "Run " + name.string()},
          {"subtitle", state},
          {"refresh_seconds", running && !done ? kRefreshSeconds : 0},
          {"sections", sections}};
}

}  // namespace vox
