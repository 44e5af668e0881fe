#pragma once

#include <functional>
#include <string>
#include <vector>

#include "benchmarks/measure/clocks.h"

namespace vox::bench {

/// One of the things that are measured in turns.
struct Lane {
  std::string name;
  std::function<Times(std::int64_t calls)> run;  ///< so many calls; what they took together
};

/// Seconds per call of each lane, round by round: [lane][round].
using LaneTimes = std::vector<std::vector<Times>>;

struct RoundOptions {
  int rounds = 9;
  double least_s = 0.05;  ///< of one measurement; it makes as many calls as that takes
};

/// Every lane once per round, each round begun by another lane. How many calls a measurement takes is found first,
/// which is the warm-up, too: by Google Benchmark, or in its way in a build without it.
[[nodiscard]] LaneTimes run_rounds(const std::vector<Lane>&, const RoundOptions&);

}  // namespace vox::bench
