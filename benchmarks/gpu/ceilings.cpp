#include "benchmarks/gpu/ceilings.h"

#include <algorithm>

#include "benchmarks/gpu/probes.h"

namespace vox::gpu_bench {

Ceilings measure_ceilings(Device device) {
  // On the simt device the figures mean nothing and the kernels only have to run.
  const bool small = device == Device::simt;
  const std::int64_t copied = small ? 4096 : 1LL << 28;
  const Chains chains{.blocks = small ? 1 : 4096, .steps = small ? 4 : 2048, .sums = {}};
  Timer timer(device, false);
  Ceilings best;
  on_device(device, DType::f32, [&](auto& queue, auto) {
    const Tensor from = random_plain({copied}, DType::f32, device);
    Tensor to({copied}, DType::f32, device);
    Tensor sums({std::int64_t{chains.blocks} * kChainThreads}, DType::f32, device);
    Chains c = chains;
    c.sums = sums.mutable_values<float>();
    const auto per_microsecond = [&](double amount, const auto& work) {
      double rate = 0;
      for (int round = 0; round < (small ? 1 : 5); ++round) {
        rate = std::max(rate, amount / timer.microseconds(work));
      }
      return rate / 1e3;  // thousands of millions per second
    };
    best.copy_gb_per_s = per_microsecond(8.0 * static_cast<double>(copied),
                                         [&] { copy(queue, from.values<float>(), to.mutable_values<float>()); });
    const std::span<const float> cached = from.values<float>().first(static_cast<std::size_t>(small ? 4096 : 1 << 22));
    constexpr int kCalls = 20;  // in one measurement, so that its own cost is little
    best.cached_gb_per_s = per_microsecond(kCalls * 4.0 * static_cast<double>(cached.size()), [&] {
      for (int i = 0; i < kCalls; ++i) { read(queue, cached, to.mutable_values<float>().first(1)); }
    });
    best.launch_us = 1 / (kCalls * per_microsecond(1e3, [&] {
                            for (int i = 0; i < kCalls; ++i) { nothing(queue); }
                          }));
    best.f32_gflop_per_s = per_microsecond(multiply_add_flops(c), [&] { multiply_add(queue, c); });
    best.tensor_gflop_per_s = per_microsecond(tensor_core_flops(c), [&] { multiply_tensor_cores(queue, c); });
  });
  return best;
}

}  // namespace vox::gpu_bench
