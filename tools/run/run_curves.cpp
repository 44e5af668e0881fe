// The curves on the page of a run: over its epochs and over its steps.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tools/report/page.h"
#include "tools/run/run_report.h"

namespace vox {
namespace {

constexpr std::array kRegionColours{"#0072b2", "#d55e00", "#009e73"};
constexpr std::size_t kMostPoints = 1500;  // of a curve over steps

/// A value of every epoch that has it, found by the keys one within the other.
Json curve(const std::vector<Json>& epochs, std::string_view name, const std::vector<std::string>& keys,
           std::string_view style = "line", double factor = 1) {
  Json x = Json::array();
  Json y = Json::array();
  for (const Json& e : epochs) {
    const Json* at = &e;
    for (const std::string& key : keys) { at = at != nullptr && at->is_object() ? at->find(key) : nullptr; }
    if (at == nullptr || !at->is_number()) { continue; }
    x.push_back(number_in(e, "epoch"));
    y.push_back(at->get<double>() * factor);
  }
  return series(name, std::move(x), std::move(y), style);
}

void add_if_any(Json& chart, Json one) {
  if (!one["x"].empty()) { chart["series"].push_back(std::move(one)); }
}

Json new_chart(std::string_view title, std::string_view x, std::string_view y) {
  return {{"title", title}, {"x_label", x}, {"y_label", y}, {"series", Json::array()}};
}

/// Means of as many neighbouring steps as leave few enough points.
Json step_curve(const std::vector<StepPoint>& steps, std::string_view name, double StepPoint::*value) {
  const std::size_t each = (steps.size() + kMostPoints - 1) / kMostPoints;
  Json x = Json::array();
  Json y = Json::array();
  for (std::size_t at = 0; at < steps.size(); at += each) {
    const std::size_t n = std::min(each, steps.size() - at);
    double sum = 0;
    for (std::size_t i = at; i < at + n; ++i) { sum += steps[i].*value; }
    x.push_back(steps[at + n - 1].step);
    y.push_back(sum / static_cast<double>(n));
  }
  return series(each > 1 ? fmt::format("{}, mean of {} steps", name, each) : std::string(name), std::move(x),
                std::move(y));
}

}  // namespace

Json run_curves(const RunHistory& h) {
  const std::vector<Json>& epochs = h.epochs();
  Json loss = new_chart("Loss", "epoch", "loss");
  add_if_any(loss, curve(epochs, "train", {"train_loss"}));
  add_if_any(loss, curve(epochs, "validation", {"val_loss"}));
  Json dice = new_chart("Dice of the validation cases", "epoch", "Dice");
  dice["y_min"] = 0;
  dice["y_max"] = 1;
  Json scores = new_chart("Other scores of the validation, background left out", "epoch", "score");
  if (const Json* const v = h.validated()) {
    for (const std::string& part : keys_of(v->find("val_loss_parts"))) {
      add_if_any(loss, curve(epochs, "validation: " + part, {"val_loss_parts", part}, "dashed"));
    }
    std::size_t k = 0;
    for (const std::string& region : keys_of(v->find("dice"))) {  // each beside its baseline, in one colour
      const char* const colour = kRegionColours.at(k++ % kRegionColours.size());
      for (Json one : {curve(epochs, region, {"dice", region}),
                       curve(epochs, region + ", all background", {"all_background", "dice", region}, "dashed")}) {
        one["colour"] = colour;
        add_if_any(dice, std::move(one));
      }
    }
    for (const std::string& score : keys_of(v->find("scores_without_background"))) {
      add_if_any(scores, curve(epochs, score, {"scores_without_background", score}));
    }
  }
  Json time = new_chart("Seconds of an epoch", "epoch", "s");
  time["y_min"] = 0;
  add_if_any(time, curve(epochs, "steps, and waiting for batches", {"seconds"}));
  add_if_any(time, curve(epochs, "of these, waiting for batches", {"load_seconds"}));
  add_if_any(time, curve(epochs, "validation", {"validate_seconds"}));
  Json memory = new_chart("Memory", "epoch", "MiB");
  memory["y_min"] = 0;
  add_if_any(memory, curve(epochs, "peak of tensors", {"peak_tensor_bytes"}, "line", 1 / 0x1p20));
  add_if_any(memory, curve(epochs, "peak of the process, resident", {"peak_resident_bytes"}, "line", 1 / 0x1p20));
  Json rate = new_chart("Learning rate", "step", "learning rate");
  Json norm = new_chart("Norm of the gradient", "step", "2-norm");
  Json steps = new_chart("Loss of the steps", "step", "loss");
  add_if_any(rate, step_curve(h.steps(), "learning rate", &StepPoint::lr));
  add_if_any(norm, step_curve(h.steps(), "gradient norm", &StepPoint::gradient_norm));
  add_if_any(steps, step_curve(h.steps(), "loss", &StepPoint::loss));
  norm["y_log"] = true;
  Json s = section("charts", "Curves");
  s["charts"] = Json::array();
  for (const Json& c : {loss, dice, scores, steps, rate, norm, time, memory}) {
    if (!c["series"].empty()) { s["charts"].push_back(c); }
  }
  return s;
}

}  // namespace vox
