#include "engine/context.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <atomic>
#include <charconv>
#include <thread>

#include "kernels/check.h"
#include "kernels/cuda/runtime.h"
#include "kernels/simt/memory.h"

namespace vox {
namespace {
std::atomic<int> default_threads{0};
std::atomic<ConvChoice> default_conv{ConvChoice::automatic};
}  // namespace

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

Device select_device(std::string_view text) {
  if (text == "cpu") { return Device::cpu; }
  if (text == "simt") { return Device::simt; }
  constexpr std::string_view kCuda = "cuda";
  int index = 0;
  bool valid = text == kCuda;
  if (text.starts_with("cuda:") && text.size() > kCuda.size() + 1) {
    const auto parsed = std::from_chars(text.data() + kCuda.size() + 1, text.data() + text.size(), index);
    valid = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
  }
  VOX_CHECK(valid, "device '{}' is none of cpu, cuda, cuda:N, simt", text);
  cuda::select(index);
  return Device::cuda;
}

std::string describe(Device device) {
  switch (device) {
    case Device::cpu:
      return fmt::format("cpu: {} threads, {}", cpu_queue().threads, name(cpu_queue().isa));
    case Device::cuda:
      return fmt::format("cuda: {}", cuda::current_device_name());
    case Device::simt:
      return fmt::format("simt: CUDA kernels on the CPU, {} threads", cpu_queue().threads);
  }
  VOX_FAIL("unknown device");
}

int threads_or_all(int threads) { return threads > 0 ? threads : hardware_threads(); }

CpuQueue& cpu_queue() {
  thread_local CpuQueue queue{.threads = threads_or_all(default_threads), .isa = best_isa(), .conv = default_conv};
  return queue;
}

CudaQueue& cuda_queue() {
  thread_local const cuda::Stream stream;
  thread_local CudaQueue queue{DeviceQueue{}, stream.handle()};
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

const char* name(ConvChoice choice) {
  return choice == ConvChoice::direct ? "direct" : choice == ConvChoice::winograd ? "winograd" : "auto";
}

void set_conv_choice(std::string_view word) {
  for (const ConvChoice choice : {ConvChoice::automatic, ConvChoice::direct, ConvChoice::winograd}) {
    if (word == name(choice)) {
      default_conv = choice;
      cpu_queue().conv = choice;
      return;
    }
  }
  VOX_FAIL("--conv is '{}', wants one of: auto, direct, winograd", word);
}

}  // namespace vox
