#include "benchmarks/measure/rounds.h"

#ifdef VOX_GOOGLE_BENCHMARK
#include <benchmark/benchmark.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/base/check.h"

namespace vox::bench {

namespace {

struct Measured {
  Times per_call;
  std::int64_t calls = 0;
};

#ifdef VOX_GOOGLE_BENCHMARK
/// Google Benchmark prints nothing: the figures go into our own table.
class Silent : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

/// One measurement of each lane in this order; calls: how many each makes, 0 where that is to be found.
void run_once(const std::vector<Lane>& lanes, std::size_t first, double least_s, std::vector<Measured>& results) {
  benchmark::ClearRegisteredBenchmarks();
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const std::size_t lane = (first + i) % lanes.size();
    auto* const b = benchmark::RegisterBenchmark(std::to_string(lane).c_str(), [&, lane](benchmark::State& state) {
      const auto calls = static_cast<double>(state.max_iterations);
      const Times all = lanes[lane].run(state.max_iterations);
      Measured& m = results[lane];
      m.calls = state.max_iterations;
      m.per_call = {.wall_s = all.wall_s / calls, .processor_s = all.processor_s / calls};
      for (auto _ : state) { state.SetIterationTime(m.per_call.wall_s); }
    });
    b->UseManualTime();
    if (results[lane].calls > 0) {
      b->Iterations(results[lane].calls);
    } else {
      b->MinTime(least_s);
    }
  }
  Silent reporter;
  static_cast<void>(benchmark::RunSpecifiedBenchmarks(&reporter, "all"));
  benchmark::ClearRegisteredBenchmarks();
}
#else
/// One measurement of each lane in this order; calls: how many each makes, 0 where that is to be found, in the way of
/// Google Benchmark: more and more, until they take least_s.
void run_once(const std::vector<Lane>& lanes, std::size_t first, double least_s, std::vector<Measured>& results) {
  constexpr std::int64_t kMostCalls = 1'000'000'000;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const std::size_t lane = (first + i) % lanes.size();
    Measured& m = results[lane];
    const bool search = m.calls == 0;
    Times all;
    for (m.calls = std::max<std::int64_t>(m.calls, 1);;) {
      all = lanes[lane].run(m.calls);
      if (!search || all.wall_s >= least_s || m.calls >= kMostCalls) { break; }
      m.calls = std::llround(static_cast<double>(m.calls) * std::clamp(1.4 * least_s / all.wall_s, 2.0, 10.0));
    }
    const auto calls = static_cast<double>(m.calls);
    m.per_call = {.wall_s = all.wall_s / calls, .processor_s = all.processor_s / calls};
  }
}
#endif

}  // namespace

LaneTimes run_rounds(const std::vector<Lane>& lanes, const RoundOptions& o) {
  std::vector<Measured> measured(lanes.size());
  VOX_CHECK(o.least_s > 0 && std::isfinite(o.least_s), "a measurement of {} s, wants more than 0", o.least_s);
  run_once(lanes, 0, o.least_s, measured);
  LaneTimes times(lanes.size());
  for (int round = 0; round < o.rounds; ++round) {
    run_once(lanes, static_cast<std::size_t>(round) % lanes.size(), o.least_s, measured);
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) { times[lane].push_back(measured[lane].per_call); }
  }
  return times;
}

}  // namespace vox::bench
