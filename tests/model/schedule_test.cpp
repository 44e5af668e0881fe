#include "model/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {

TEST_CASE("plateau lowers the rate by its factor after more bad epochs than its patience", "[schedule]") {
  Schedule s({.kind = ScheduleKind::plateau, .lr = 1e-3, .factor = 0.85, .patience = 2});
  s.epoch_ended(1.0);
  s.epoch_ended(0.9);
  CHECK(s.lr(0) == 1e-3);
  for (int i = 0; i < 2; ++i) { s.epoch_ended(0.9); }
  CHECK(s.lr(0) == 1e-3);
  s.epoch_ended(0.95);
  CHECK(s.lr(0) == 1e-3 * 0.85);
  for (int i = 0; i < 3; ++i) { s.epoch_ended(0.9); }
  CHECK(s.lr(0) == 1e-3 * 0.85 * 0.85);
  s.epoch_ended(0.5);
  CHECK(s.state().bad_epochs == 0);
}

TEST_CASE("eight reductions by 0.85 give the learning rate that the seed reports", "[schedule]") {
  Schedule s({.kind = ScheduleKind::plateau, .lr = 1e-3, .factor = 0.85, .patience = 2});
  s.epoch_ended(1.0);
  for (int i = 0; i < 8 * 3; ++i) { s.epoch_ended(1.0); }
  CHECK(std::abs(s.lr(0) - 2.7249e-4) < 5e-9);
}

TEST_CASE("plateau does not count an improvement below its threshold, nor go below its floor", "[schedule]") {
  Schedule s(
      {.kind = ScheduleKind::plateau, .lr = 1.0, .factor = 0.1, .patience = 0, .threshold = 0.1, .min_lr = 0.05});
  s.epoch_ended(1.0);
  s.epoch_ended(0.95);
  CHECK(s.lr(0) == 0.1);
  s.epoch_ended(0.95);
  CHECK(s.lr(0) == 0.05);
}

TEST_CASE("cosine rises over the warm-up and falls to its floor", "[schedule]") {
  const Schedule s({.kind = ScheduleKind::cosine, .lr = 2.0, .min_lr = 0.5, .warmup = 4, .total = 20});
  for (int t = 0; t < 4; ++t) { CHECK(s.lr(t) == 2.0 * (t + 1) / 4); }
  for (int t = 4; t <= 20; ++t) {
    CHECK(std::abs(s.lr(t) - (0.5 + 1.5 * (1 + std::cos(std::numbers::pi * (t - 4) / 16)) / 2)) < 1e-15);
  }
  CHECK(s.lr(1000) == 0.5);
}

TEST_CASE("poly falls once an epoch as nnU-Net's does, or every step, and ends above 0", "[schedule]") {
  constexpr std::int64_t kEpochs = 5;
  constexpr std::int64_t kSteps = 7;  // of an epoch
  ScheduleOptions o{.kind = ScheduleKind::poly, .lr = 0.01, .total = kEpochs * kSteps, .power = 0.9, .period = kSteps};
  const Schedule by_epoch(o);
  o.period = 1;
  const Schedule by_step(o);
  o.min_lr = 0.005;
  const Schedule with_floor(o);
  for (std::int64_t t = 0; t < o.total; ++t) {
    const auto epoch = static_cast<double>(t / kSteps);
    CHECK(std::abs(by_epoch.lr(t) - 0.01 * std::pow(1 - epoch / kEpochs, 0.9)) < 1e-17);
    const double rate = 0.01 * std::pow(1 - static_cast<double>(t) / static_cast<double>(o.total), 0.9);
    CHECK(std::abs(by_step.lr(t) - rate) < 1e-17);
    CHECK(with_floor.lr(t) == std::max(by_step.lr(t), 0.005));
  }
  CHECK(by_step.lr(o.total - 1) > 0);
  CHECK(by_epoch.lr(o.total - 1) > by_step.lr(o.total - 1));
  CHECK(schedule_named("poly") == ScheduleKind::poly);
}

TEST_CASE("a restored schedule goes on where it was", "[schedule]") {
  const ScheduleOptions options{.kind = ScheduleKind::plateau, .lr = 1e-3, .patience = 1};
  Schedule whole(options);
  Schedule first(options);
  const double losses[] = {1.0, 0.9, 0.95, 0.93, 0.8, 0.85, 0.85, 0.85};
  for (int i = 0; i < 4; ++i) { first.epoch_ended(losses[i]); }
  Schedule second(options);
  second.restore(first.state());
  for (int i = 4; i < 8; ++i) { second.epoch_ended(losses[i]); }
  for (const double loss : losses) { whole.epoch_ended(loss); }
  CHECK(whole.lr(0) == second.lr(0));
  CHECK(whole.lr(0) < 1e-3);
}

TEST_CASE("a schedule refuses what it cannot follow", "[schedule]") {
  CHECK_THROWS_AS(Schedule({.lr = 0}), Error);
  CHECK_THROWS_AS(Schedule({.kind = ScheduleKind::cosine, .warmup = 5, .total = 5}), Error);
  CHECK_THROWS_AS(Schedule({.kind = ScheduleKind::plateau, .factor = 1.5}), Error);
  CHECK_THROWS_AS(Schedule({.kind = ScheduleKind::plateau, .lr = 1e-3, .min_lr = 1e-2}), Error);
  CHECK_THROWS_AS(Schedule({.kind = ScheduleKind::cosine, .min_lr = -1, .total = 5}), Error);
  CHECK_THROWS_AS(Schedule({.kind = ScheduleKind::poly, .total = 5, .power = 0}), Error);
  CHECK_THROWS_AS(Schedule({.kind = ScheduleKind::poly, .total = 5, .period = 0}), Error);
  CHECK_THROWS_AS(Schedule({.kind = ScheduleKind::poly, .lr = 1, .min_lr = 2, .total = 5}), Error);
  CHECK_THROWS_WITH(schedule_named("step"), ContainsSubstring("none of: constant, plateau, cosine, poly"));
}

}  // namespace vox::test
