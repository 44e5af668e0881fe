#include "benchmarks/measure/ceilings.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "benchmarks/measure/device_clock.h"
#include "benchmarks/measure/device_probes.h"
#include "benchmarks/measure/on_device.h"
#include "benchmarks/measure/probes.h"
#include "benchmarks/measure/spread.h"
#include "engine/tensor.h"

namespace vox::bench {
namespace {

/// By processor time: what this machine could do while it does nothing else.
double rate(const Probe& p) { return p.amount / p.times.processor_s * cpu_queue().threads; }

Ceilings ceilings_of_cpu() {
  // The median: processor time is booked late at times, which makes the best of several one that never was.
  std::vector<double> flops;
  std::vector<double> bytes;
  for (int round = 0; round < 9; ++round) {
    flops.push_back(rate(probe_multiply_adds(2)));
    bytes.push_back(rate(probe_copy(1)));
  }
  return {.copy_bytes_per_s = spread_of(bytes).median, .f32_flop_per_s = spread_of(flops).median};
}

/// On the simt device the figures mean nothing and the kernels only have to run.
Ceilings ceilings_of_gpu(Device device) {
  const bool small = device == Device::simt;
  const std::int64_t copied = small ? 4096 : 1LL << 28;
  Chains chains{.blocks = small ? 1 : 4096, .steps = small ? 4 : 2048, .sums = {}};
  constexpr int kCalls = 20;  // of short work in one measurement, so that its own cost is little
  DeviceClock clock(device);
  const auto per_second = [&](double amount, const auto& work) {
    double best = 0;
    for (int round = 0; round < (small ? 1 : 5); ++round) {
      best = std::max(best, amount / measured_on(clock, work).wall_s);
    }
    return best;
  };
  Ceilings c;
  on_device(device, [&](auto& queue) {
    Tensor from({copied}, DType::f32, device);
    fill(queue, FillArgs<float>{.shape = {}, .y = from.mutable_values<float>()});
    Tensor to({copied}, DType::f32, device);
    Tensor sums({std::int64_t{chains.blocks} * kChainThreads}, DType::f32, device);
    chains.sums = sums.mutable_values<float>();
    const std::span<const float> all = std::as_const(from).values<float>();
    const std::span<const float> cached = all.first(static_cast<std::size_t>(small ? 4096 : 1 << 22));
    c.copy_bytes_per_s =
        per_second(8.0 * static_cast<double>(copied), [&] { copy(queue, all, to.mutable_values<float>()); });
    c.cached_bytes_per_s = per_second(kCalls * 4.0 * static_cast<double>(cached.size()), [&] {
      for (int i = 0; i < kCalls; ++i) { read(queue, cached, to.mutable_values<float>().first(1)); }
    });
    c.launch_s = 1 / per_second(kCalls, [&] {
                   for (int i = 0; i < kCalls; ++i) { nothing(queue); }
                 });
    c.f32_flop_per_s = per_second(multiply_add_flops(chains), [&] { multiply_add(queue, chains); });
    c.tensor_flop_per_s = per_second(tensor_core_flops(chains), [&] { multiply_tensor_cores(queue, chains); });
  });
  return c;
}

}  // namespace

Ceilings measure_ceilings(Device device) { return device == Device::cpu ? ceilings_of_cpu() : ceilings_of_gpu(device); }

}  // namespace vox::bench
