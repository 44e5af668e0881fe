#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "benchmarks/gpu/case.h"
#include "benchmarks/gpu/device.h"

namespace vox::gpu_bench {

/// The middle of several measurements and how far they lie apart.
struct Spread {
  double median = 0;
  double lowest = 0;
  double highest = 0;
};
[[nodiscard]] Spread spread_of(std::vector<double>);

struct RivalResult {
  double us = 0;   ///< median
  Spread ratio{};  ///< theirs / ours, round by round: above 1 ours is faster
};

/// What came of one plan.
struct Result {
  Plan plan;
  double flops = 0;
  double bytes = 0;
  std::string algorithm{};
  Spread us{};
  std::size_t peak_bytes = 0;  ///< of our tensors while it ran
  std::map<std::string, RivalResult> rivals{};
  std::string error{};  ///< why there is no time, or empty
  bool failed = false;  ///< by an error, where a shape that does not fit or came too late is none
};

struct MeasureOptions {
  int rounds = 9;
  bool flush = true;
  std::optional<std::chrono::steady_clock::time_point> until{};
};

/// Warms up, then measures ours and every rival in turns.
[[nodiscard]] Result measure(const Plan&, Device, const MeasureOptions&);

}  // namespace vox::gpu_bench
