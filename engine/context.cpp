#include "engine/context.h"

#include <fmt/format.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#ifdef VOX_X86
#include <cpuid.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <utility>
#include <vector>

#include "engine/ranks/cores.h"
#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "kernels/cuda/runtime.h"
#include "kernels/simt/memory.h"

namespace vox {
namespace {
std::atomic<int> default_threads{0};
std::atomic<int> shared_cores{0};  // 0: those of the process
std::atomic<ConvChoice> default_conv{ConvChoice::automatic};
constexpr std::array<std::string_view, 5> kConvChoices = {"auto", "direct", "winograd", "amx", "definition"};

/// The processor has AMX for bf16, and the system lets this process use its registers: Linux wants to be asked once.
[[maybe_unused]] bool has_amx() {
#if defined(VOX_X86) && defined(__linux__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kTiles = 1U << 24U;
  constexpr unsigned kTileBf16 = 1U << 22U;
  constexpr unsigned kVectorBf16 = 1U << 5U;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTiles) == 0 || (d & kTileBf16) == 0) { return false; }
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) == 0 || (a & kVectorBf16) == 0) { return false; }
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

/// What an instruction set is called, and whether this build has it and this processor runs it. A new one is an entry
/// here, an enumerator of Isa with its line in on_isa() and VOX_KERNEL, and its flags in CMakeLists.txt.
struct IsaEntry {
  Isa isa;
  const char* name;
  bool (*runs)();
};
constexpr std::array kIsas = {
    IsaEntry{Isa::baseline, "baseline", [] { return true; }},
#ifdef VOX_X86
    IsaEntry{Isa::avx2, "avx2",
             [] { return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0; }},
    IsaEntry{Isa::avx512, "avx512",
             [] {
               return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                      __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
             }},
    IsaEntry{Isa::amx, "amx", has_amx},
#endif
};

/// The kind and, of a GPU, its number.
std::pair<Device, int> parsed_device(std::string_view text) {
  if (text == "cpu") { return {Device::cpu, 0}; }
  if (text == "simt") { return {Device::simt, 0}; }
  constexpr std::string_view kCuda = "cuda";
  int index = 0;
  bool valid = text == kCuda;
  if (text.starts_with("cuda:") && text.size() > kCuda.size() + 1) {
    const auto parsed = std::from_chars(text.data() + kCuda.size() + 1, text.data() + text.size(), index);
    valid = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
  }
  VOX_CHECK(valid, "device '{}' is none of cpu, cuda, cuda:N, simt", text);
  return {Device::cuda, index};
}

}  // namespace

std::span<const Isa> runnable_isas() {
  static const std::vector<Isa> isas = [] {
    std::vector<Isa> found;
    for (const IsaEntry& entry : kIsas) {
      if (entry.isa > kLastIsa || !entry.runs()) { break; }
      found.push_back(entry.isa);
    }
    return found;
  }();
  return isas;
}

Isa best_isa() { return runnable_isas().back(); }

Isa isa_named(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Isa isa : runnable_isas()) {
    if (word == name(isa)) { return isa; }
    names.emplace_back(name(isa));
  }
  VOX_FAIL("instruction set '{}': this build on this processor has {}", word, fmt::join(names, ", "));
}

const char* name(Isa isa) { return kIsas.at(static_cast<std::size_t>(isa)).name; }

int hardware_threads() {
  if (const int known = shared_cores; known > 0) { return known; }
  return std::max(static_cast<int>(cores_of_process().count()), 1);
}

void set_hardware_threads(int threads) { shared_cores = threads; }

Device select_device(std::string_view text) {
  const auto [device, index] = parsed_device(text);
  if (device == Device::cuda) { cuda::select(text == "cuda" ? local_rank() : index); }
  return device;
}

Device device_kind(std::string_view text) { return parsed_device(text).first; }

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
  queue.conv = cpu_queue().conv;
  return queue;
}

SimtQueue& simt_queue() {
  simt_device::set_threads(cpu_queue().threads);
  thread_local SimtQueue queue;
  queue.conv = cpu_queue().conv;
  return queue;
}

void set_default_threads(int threads) {
  VOX_CHECK(threads >= 1, "threads is {}, wants at least 1", threads);
  default_threads = threads;
  cpu_queue().threads = threads;
}

const char* name(ConvChoice choice) { return kConvChoices.at(static_cast<std::size_t>(choice)).data(); }

ConvChoice conv_choice_named(std::string_view word) {
  const auto* const found = std::ranges::find(kConvChoices, word);
  VOX_CHECK(found != kConvChoices.end(), "--conv is '{}', wants one of: {}", word, fmt::join(kConvChoices, ", "));
  return static_cast<ConvChoice>(found - kConvChoices.begin());
}

void set_conv_choice(std::string_view word) {
  default_conv = conv_choice_named(word);
  cpu_queue().conv = default_conv;
}

}  // namespace vox
