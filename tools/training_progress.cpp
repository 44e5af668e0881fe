#include "tools/training_progress.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/check.h"

namespace vox {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string to_json(const TrainingProgress& p) {
  return Json{{"epoch", p.epoch},
              {"batches", p.batches},
              {"step", p.step},
              {"loss_sum", p.loss_sum},
              {"samples", p.samples},
              {"seconds", p.seconds},
              {"best", p.best ? Json(*p.best) : Json(nullptr)},
              {"schedule_lr", p.schedule.lr},
              // JSON has no infinity: a best loss that was never set is null.
              {"schedule_best", std::isfinite(p.schedule.best) ? Json(p.schedule.best) : Json(nullptr)},
              {"schedule_bad_epochs", p.schedule.bad_epochs}}
      .dump();
}

TrainingProgress training_progress_from_json(const std::string& text, const std::string& file) {
  try {
    const auto j = nlohmann::json::parse(text);
    TrainingProgress p;
    j.at("epoch").get_to(p.epoch);
    j.at("batches").get_to(p.batches);
    j.at("step").get_to(p.step);
    j.at("loss_sum").get_to(p.loss_sum);
    j.at("samples").get_to(p.samples);
    j.at("seconds").get_to(p.seconds);
    if (!j.at("best").is_null()) { p.best = j.at("best").get<double>(); }
    j.at("schedule_lr").get_to(p.schedule.lr);
    if (!j.at("schedule_best").is_null()) { j.at("schedule_best").get_to(p.schedule.best); }
    j.at("schedule_bad_epochs").get_to(p.schedule.bad_epochs);
    return p;
  } catch (const nlohmann::json::exception& e) {
    VOX_FAIL_DATA("{}: the state of the training run is damaged: {}", file, e.what());
  }
}

}  // namespace vox
