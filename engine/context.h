#pragma once

#include "kernels/queue.h"

namespace vox {

/// The calling thread's queues. cpu_queue() starts with every core and the best instruction set of this machine.
[[nodiscard]] CpuQueue& cpu_queue();
[[nodiscard]] CudaQueue& cuda_queue();
[[nodiscard]] SimtQueue& simt_queue();

[[nodiscard]] Isa best_isa();                   ///< the best instruction set this CPU runs
[[nodiscard]] const char* name(Isa);            ///< "baseline", "avx2", "avx512"
[[nodiscard]] int hardware_threads();           ///< cores this process may use
[[nodiscard]] int threads_or_all(int threads);  ///< 0 means hardware_threads()
void set_default_threads(int threads);  ///< for queues of threads that have not used theirs yet, and the caller's

}  // namespace vox
