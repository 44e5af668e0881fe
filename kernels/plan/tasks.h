#pragma once

#include <algorithm>
#include <cstdint>

namespace vox {

// How many tasks a plan of the CPU makes. Two kinds of cuts:
// - What is added up apart (boxes that take moments, partial sums of a weight gradient) is a function of the geometry
//   alone, fine enough for kMostTasks tasks where there is work for them: so every sum forms in the same order on any
//   number of threads.
// - What changes no sum (how many of these a task takes, which output channels) may follow the number of threads: few
//   threads read their inputs fewer times in larger tasks.

inline constexpr std::int64_t kMostTasks = 64;   ///< what the geometry's cuts allow for
inline constexpr std::int64_t kFewThreads = 16;  ///< up to so many threads tasks are as large as they get

/// Tasks that so many threads want.
[[nodiscard]] constexpr std::int64_t wanted_tasks(int threads) { return std::max<std::int64_t>(threads, kFewThreads); }

}  // namespace vox
