#include "benchmarks/measure/probes.h"

#include <cstring>
#include <vector>

#include "benchmarks/gpu/ceilings.h"
#include "benchmarks/measure/fma_peak.h"
#include "benchmarks/measure/machine.h"
#include "benchmarks/measure/spread.h"
#include "engine/context.h"
#include "engine/device_memory.h"
#include "engine/storage.h"
#include "kernels/base/parallel.h"

namespace vox::bench {
namespace {

constexpr std::size_t kCopiedBytes = std::size_t{128} << 20U;
constexpr std::size_t kGpuCacheBytes = std::size_t{256} << 20U;

struct Buffers {
  std::vector<std::byte> from = std::vector<std::byte>(kCopiedBytes, std::byte{1});
  std::vector<std::byte> to = std::vector<std::byte>(kCopiedBytes);
};

/// By processor time: what this machine could do while it does nothing else.
double rate(const Probe& p) { return p.amount / p.times.processor_s * cpu_queue().threads; }

}  // namespace

Probe probe_multiply_adds(std::int64_t calls) {
  const SleepyWorkers sleepy;
  Probe p;
  p.times = measured([&] {
    for (std::int64_t i = 0; i < calls; ++i) { p.amount += run_fmas(cpu_queue()); }
  });
  return p;
}

Probe probe_copy(std::int64_t calls) {
  const SleepyWorkers sleepy;
  static Buffers buffers;
  constexpr std::size_t kParts = 64;
  constexpr std::size_t kPart = kCopiedBytes / kParts;
  Probe p{.times = {}, .amount = 2.0 * static_cast<double>(kCopiedBytes) * static_cast<double>(calls)};
  p.times = measured([&] {
    for (std::int64_t i = 0; i < calls; ++i) {
      parallel_for(cpu_queue(), kParts, [&](std::int64_t part) {
        const std::size_t at = static_cast<std::size_t>(part) * kPart;
        std::memcpy(buffers.to.data() + at, buffers.from.data() + at, kPart);
      });
    }
  });
  return p;
}

void flush_level2(Device device) {
  if (device == Device::cuda) {
    static Storage written(kGpuCacheBytes, Device::cuda);
    zero_bytes(written.data(), device, written.size_bytes());
    return;
  }
  static std::vector<unsigned char> written(2 * std::max<std::size_t>(level2_cache_bytes(), 1U << 20U));
  static unsigned char value = 0;
  ++value;
  const std::int64_t parts = cpu_queue().threads;
  const std::size_t part = written.size() / static_cast<std::size_t>(parts);
  parallel_for(cpu_queue(), parts,
               [&](std::int64_t i) { std::memset(written.data() + static_cast<std::size_t>(i) * part, value, part); });
}

Ceilings measure_ceilings(Device device) {
  if (device != Device::cpu) {
    const gpu_bench::Ceilings c = gpu_bench::measure_ceilings(device);
    return {.copy_bytes_per_s = 1e9 * c.copy_gb_per_s,
            .f32_flop_per_s = 1e9 * c.f32_gflop_per_s,
            .tensor_flop_per_s = 1e9 * c.tensor_gflop_per_s};
  }
  // The median: processor time is booked late at times, which makes the best of several one that never was.
  std::vector<double> flops;
  std::vector<double> bytes;
  for (int round = 0; round < 9; ++round) {
    flops.push_back(rate(probe_multiply_adds(2)));
    bytes.push_back(rate(probe_copy(1)));
  }
  return {.copy_bytes_per_s = spread_of(bytes).median, .f32_flop_per_s = spread_of(flops).median};
}

}  // namespace vox::bench
