#include "benchmarks/gpu/measure.h"

#include <algorithm>

#include "engine/allocator.h"
#include "kernels/base/check.h"

namespace vox::gpu_bench {
namespace {

constexpr int kWarmUps = 2;
constexpr int kLeastRounds = 3;
constexpr double kEnoughUs = 1.5e6;  ///< after so long in one case further rounds tell little

void take_turns(const Case& c, Device device, const MeasureOptions& o, Result& result) {
  Timer timer(device, o.flush);
  for (int i = 0; i < kWarmUps; ++i) {
    c.run();
    for (const Rival& rival : c.rivals) { rival.run(); }
  }
  wait_for(device);
  std::vector<double> ours;
  std::map<std::string, std::vector<double>> theirs;
  double all_us = 0;
  for (int round = 0; round < o.rounds && (round < kLeastRounds || all_us < kEnoughUs); ++round) {
    ours.push_back(timer.microseconds(c.run));
    all_us += ours.back();
    for (const Rival& rival : c.rivals) {
      theirs[rival.name].push_back(timer.microseconds(rival.run));
      all_us += theirs[rival.name].back();
    }
  }
  result.us = spread_of(ours);
  for (const auto& [name, times] : theirs) {
    std::vector<double> ratios;
    for (std::size_t round = 0; round < ours.size(); ++round) { ratios.push_back(times[round] / ours[round]); }
    result.rivals[name] = {.us = spread_of(times).median, .ratio = spread_of(ratios)};
  }
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  VOX_CHECK(!values.empty(), "no measurement to take the median of");
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {.median = median, .lowest = values.front(), .highest = values.back()};
}

Result measure(const Plan& plan, Device device, const MeasureOptions& o) {
  Result result{.plan = plan};
  if (o.until && std::chrono::steady_clock::now() > *o.until) {
    result.error = "not measured: the time was up";
    return result;
  }
  release_unused(device);
  reset_peak(device);
  const std::size_t before = memory_report(device).in_use_bytes;
  try {
    const Case c = plan.make();
    result.flops = c.flops;
    result.bytes = c.bytes;
    result.algorithm = c.algorithm;
    take_turns(c, device, o, result);
  } catch (const MemoryError& e) { result.error = std::string("does not fit: ") + e.what(); } catch (const Error& e) {
    result.error = std::string("failed: ") + e.what();
    result.failed = true;
  }
  result.peak_bytes = memory_report(device).peak_bytes - before;
  return result;
}

}  // namespace vox::gpu_bench
