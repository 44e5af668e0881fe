#include "engine/context.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <atomic>
#include <thread>

#include "kernels/check.h"
#include "kernels/simt/memory.h"

namespace vox {
namespace {
std::atomic<int> default_threads{0};
}

Isa best_isa() {
#ifdef VOX_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return Isa::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) { return Isa::avx2; }
#endif
  return Isa::baseline;
}

const char* name(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return "baseline";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  VOX_FAIL("unknown instruction set");
}

int hardware_threads() {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) { return CPU_COUNT(&set); }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

int threads_or_all(int threads) { return threads > 0 ? threads : hardware_threads(); }

CpuQueue& cpu_queue() {
  thread_local CpuQueue queue{.threads = threads_or_all(default_threads), .isa = best_isa()};
  return queue;
}

CudaQueue& cuda_queue() {
  thread_local CudaQueue queue;
  return queue;
}

SimtQueue& simt_queue() {
  simt_device::set_threads(cpu_queue().threads);
  thread_local SimtQueue queue;
  return queue;
}

void set_default_threads(int threads) {
  VOX_CHECK(threads >= 1, "threads is {}, wants at least 1", threads);
  default_threads = threads;
  cpu_queue().threads = threads;
}

}  // namespace vox
