#include "engine/ranks/cores.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <cmath>
#include <thread>

namespace vox {

CoreSet cores_of_process() {
  CoreSet cores;
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (std::size_t c = 0; c < std::min<std::size_t>(cores.size(), CPU_SETSIZE); ++c) {
      cores[c] = CPU_ISSET(c, &set);
    }
    return cores;
  }
#endif
  for (std::size_t c = 0; c < std::min<std::size_t>(cores.size(), std::thread::hardware_concurrency()); ++c) {
    cores[c] = true;
  }
  return cores;
}

int share_of_cores(std::span<const CoreSet> ranks, std::size_t rank) {
  double share = 0;
  for (std::size_t c = 0; c < ranks[rank].size(); ++c) {
    if (!ranks[rank][c]) { continue; }
    share += 1.0 / static_cast<double>(std::ranges::count_if(ranks, [&](const CoreSet& r) { return r[c]; }));
  }
  constexpr double kRounding = 1e-9;  // three thirds are one core
  return std::max(static_cast<int>(std::floor(share + kRounding)), 1);
}

}  // namespace vox
