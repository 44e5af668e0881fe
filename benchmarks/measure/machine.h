#pragma once

#include "benchmarks/output/report.h"
#include "engine/types.h"

namespace vox::bench {

/// What a reader must know to believe a figure: processor, instruction set, cores, threads, clock, memory, compiler,
/// commit, date, load of the machine when the run began, and the device where it is not the CPU.
[[nodiscard]] Json machine_facts(Device);

/// Bytes of the level-2 caches of all cores this process may use; 0 where the system does not tell.
[[nodiscard]] std::size_t level2_cache_bytes();

/// Most memory this process has had resident since the last reset.
[[nodiscard]] std::size_t peak_resident_bytes();
/// False where the system cannot start the count anew (before Linux 4.0); the peak is then the process's.
bool reset_peak_resident();

}  // namespace vox::bench
