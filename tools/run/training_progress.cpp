#include "tools/run/training_progress.h"

#include <cmath>

#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"

namespace vox {
namespace {

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

/// null, or a key that an earlier version did not write: nothing.
std::optional<double> if_there(const Json& j, const char* key) {
  const Json* const found = j.find(key);
  if (found == nullptr || found->is_null()) { return std::nullopt; }
  return found->get<double>();
}

}  // namespace

std::string to_json(const TrainingProgress& p) {
  return json_text(Json{{"epoch", p.epoch},
                        {"batches", p.batches},
                        {"step", p.step},
                        {"loss_sum", p.loss_sum},
                        {"samples", p.samples},
                        {"seconds", p.seconds},
                        {"load_seconds", p.load_seconds},
                        {"lr_first", or_null(p.lr_first)},
                        {"lr_last", or_null(p.lr_last)},
                        {"best", or_null(p.best)},
                        {"best_epoch", p.best_epoch ? Json(*p.best_epoch) : Json(nullptr)},
                        {"schedule_lr", p.schedule.lr},
                        // JSON has no infinity: a best loss that was never set is null.
                        {"schedule_best", std::isfinite(p.schedule.best) ? Json(p.schedule.best) : Json(nullptr)},
                        {"schedule_bad_epochs", p.schedule.bad_epochs}});
}

TrainingProgress training_progress_from_json(const std::string& text, const std::string& file) {
  try {
    const Json j = Json::parse(text);
    TrainingProgress p;
    j.at("epoch").get_to(p.epoch);
    j.at("batches").get_to(p.batches);
    j.at("step").get_to(p.step);
    j.at("loss_sum").get_to(p.loss_sum);
    j.at("samples").get_to(p.samples);
    j.at("seconds").get_to(p.seconds);
    p.load_seconds = if_there(j, "load_seconds").value_or(0);
    p.lr_first = if_there(j, "lr_first");
    p.lr_last = if_there(j, "lr_last");
    if (!j.at("best").is_null()) { p.best = j.at("best").get<double>(); }
    if (const Json* const at = j.find("best_epoch"); at != nullptr && !at->is_null()) {
      p.best_epoch = at->get<std::int64_t>();
    } else if (p.best) {
      p.best_epoch = p.epoch;
    }
    j.at("schedule_lr").get_to(p.schedule.lr);
    if (!j.at("schedule_best").is_null()) { j.at("schedule_best").get_to(p.schedule.best); }
    j.at("schedule_bad_epochs").get_to(p.schedule.bad_epochs);
    for (const std::int64_t n :
         {p.epoch, p.batches, p.step, p.samples, p.best_epoch.value_or(0), p.schedule.bad_epochs}) {
      VOX_CHECK_DATA(n >= 0 && n <= kMostSteps, "{}: the state of the training run holds {}, wants 0 to 2^53", file, n);
    }
    return p;
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: the state of the training run is damaged: {}", file, e.what()); }
}

bool stops_early(const TrainingProgress& p, std::int64_t patience, std::int64_t validate_every) {
  return patience > 0 && p.best_epoch && p.batches == 0 && p.epoch % validate_every == 0 &&
         p.epoch - *p.best_epoch >= patience;
}

}  // namespace vox
