#include "model/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/base/check.h"

namespace vox {

ScheduleKind schedule_named(const std::string& name) {
  if (name == "constant") { return ScheduleKind::constant; }
  if (name == "plateau") { return ScheduleKind::plateau; }
  if (name == "cosine") { return ScheduleKind::cosine; }
  if (name == "poly") { return ScheduleKind::poly; }
  VOX_FAIL("schedule '{}' is none of: constant, plateau, cosine, poly", name);
}

Schedule::Schedule(const ScheduleOptions& o) : options_(o) {
  VOX_CHECK(o.lr > 0 && std::isfinite(o.lr), "schedule: lr is {}, wants > 0", o.lr);
  VOX_CHECK(o.kind == ScheduleKind::constant || (o.min_lr >= 0 && o.min_lr <= o.lr),
            "schedule: min_lr is {}, wants 0 to lr, {}", o.min_lr, o.lr);
  VOX_CHECK(o.kind != ScheduleKind::plateau || (o.factor > 0 && o.factor < 1 && o.patience >= 0),
            "schedule: plateau factor {} and patience {} want (0,1) and >= 0", o.factor, o.patience);
  VOX_CHECK(o.kind != ScheduleKind::cosine || (o.total > o.warmup && o.warmup >= 0),
            "schedule: cosine over {} steps with {} of warm-up, wants more steps than warm-up", o.total, o.warmup);
  VOX_CHECK(o.kind != ScheduleKind::poly || (o.power > 0 && std::isfinite(o.power) && o.total >= 1 && o.period >= 1),
            "schedule: poly with power {} over {} steps, changing every {}, wants a power above 0 and 1 step or more",
            o.power, o.total, o.period);
  state_.lr = o.lr;
}

double Schedule::lr(std::int64_t step) const {
  if (options_.kind == ScheduleKind::poly) {
    const auto t = static_cast<double>(std::min(step / options_.period * options_.period, options_.total));
    return std::max(options_.lr * std::pow(1 - t / static_cast<double>(options_.total), options_.power),
                    options_.min_lr);
  }
  if (options_.kind != ScheduleKind::cosine) { return state_.lr; }
  if (step < options_.warmup) {
    return options_.lr * static_cast<double>(step + 1) / static_cast<double>(options_.warmup);
  }
  const double part = static_cast<double>(std::min(step, options_.total) - options_.warmup) /
                      static_cast<double>(options_.total - options_.warmup);
  return options_.min_lr + (options_.lr - options_.min_lr) * (1 + std::cos(std::numbers::pi * part)) / 2;
}

void Schedule::epoch_ended(double loss) {
  if (options_.kind != ScheduleKind::plateau) { return; }
  if (std::isinf(state_.best) || loss < state_.best * (1 - options_.threshold)) {
    state_.best = loss;
    state_.bad_epochs = 0;
    return;
  }
  if (++state_.bad_epochs > options_.patience) {
    state_.lr = std::max(state_.lr * options_.factor, options_.min_lr);
    state_.bad_epochs = 0;
  }
}

}  // namespace vox
