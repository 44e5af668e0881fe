#include "benchmarks/measure/probes.h"

#include <cstring>
#include <vector>

#include "benchmarks/measure/device_probes.h"
#include "benchmarks/measure/fma_peak.h"
#include "benchmarks/measure/machine.h"
#include "benchmarks/measure/on_device.h"
#include "engine/context.h"
#include "engine/tensor.h"
#include "kernels/base/parallel.h"

namespace vox::bench {
namespace {

constexpr std::size_t kCopiedBytes = std::size_t{128} << 20U;

struct Buffers {
  std::vector<std::byte> from = std::vector<std::byte>(kCopiedBytes, std::byte{1});
  std::vector<std::byte> to = std::vector<std::byte>(kCopiedBytes);
};

void read_past_cache(Device device) {
  constexpr std::int64_t kValues = 64LL << 20U;  // 256 MiB
  on_device(device, [&](auto& queue) {
    static Tensor read_value({1}, DType::f32, device);
    static const Tensor data = [&] {
      Tensor t({kValues}, DType::f32, device);
      fill(queue, FillArgs<float>{.shape = {}, .y = t.mutable_values<float>()});
      return t;
    }();
    read(queue, data.values<float>(), read_value.mutable_values<float>());
  });
}

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
  if (device == Device::cuda) { return read_past_cache(device); }
  static std::vector<unsigned char> written(2 * std::max<std::size_t>(level2_cache_bytes(), 1U << 20U));
  static unsigned char value = 0;
  ++value;
  const std::int64_t parts = cpu_queue().threads;
  const std::size_t part = written.size() / static_cast<std::size_t>(parts);
  parallel_for(cpu_queue(), parts,
               [&](std::int64_t i) { std::memset(written.data() + static_cast<std::size_t>(i) * part, value, part); });
}

}  // namespace vox::bench
