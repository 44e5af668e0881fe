#include "benchmarks/measure/device_probes.h"

#include "kernels/cuda/gpu.h"

// One thread per value or per 16 bytes; the ceilings keep independent chains in registers, so that latency is hidden.
namespace vox {
namespace gpu {

inline constexpr int kProbeThreads = 256;

__device__ inline unsigned hash(std::int64_t place) {
  unsigned x = static_cast<unsigned>(place) ^ static_cast<unsigned>(place >> 32) * 0x9E3779B9U;
  x = (x ^ x >> 16) * 0x7FEB352DU;  // C. Wellons, "Prospecting for hash functions", 2018
  x = (x ^ x >> 15) * 0x846CA68BU;
  return x ^ x >> 16;
}

template <class T> __global__ void fill_kernel(T* y, std::int64_t count, VolumeShape s, std::int64_t first_hash) {
  wait_for_launches_before();
  const std::int64_t e = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e >= count) { return; }
  bool padding = false;
  if (s.c > 0) {
    const std::int64_t block = e / (s.voxels() * kBlock8) % s.blocks();
    padding = block * kBlock8 + e % kBlock8 >= s.c;
  }
  y[e] = store<T>(padding ? Acc<T>{0}
                          : static_cast<Acc<T>>(static_cast<int>(hash(first_hash + e))) * static_cast<Acc<T>>(0x1p-31));
}

__global__ void copy_kernel(const float* from, float* to, std::int64_t packs) {
  wait_for_launches_before();
  const std::int64_t p = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (p < packs) { store_pack(to + p * 4, load_pack<4>(from + p * 4)); }
}

/// Every thread reads four packs a grid's width apart.
inline constexpr int kReadPacks = 4;
__global__ void read_kernel(const float* from, float* to, std::int64_t packs) {
  wait_for_launches_before();
  const std::int64_t p = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t apart = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  float sum = 0;
  VOX_UNROLL
  for (int i = 0; i < kReadPacks; ++i) {
    if (p + i * apart < packs) {
      const Pack<float, 4> v = load_pack<4>(from + (p + i * apart) * 4);
      sum += v.v[0] + v.v[1] + v.v[2] + v.v[3];
    }
  }
  if (sum == -1.0e30F) { *to = sum; }
}

__global__ void nothing_kernel(int) { wait_for_launches_before(); }

__global__ void multiply_add_kernel(float* sums, int steps) {
  wait_for_launches_before();
  const int thread = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  float chain[bench::kChainsPerThread];
  VOX_UNROLL
  for (int i = 0; i < bench::kChainsPerThread; ++i) { chain[i] = static_cast<float>(thread + i); }
  const float factor = 0.5F + static_cast<float>(thread % 7) * 0x1p-10F;
  for (int step = 0; step < steps; ++step) {
    VOX_UNROLL
    for (int i = 0; i < bench::kChainsPerThread; ++i) { chain[i] = chain[i] * factor + 0.25F; }
  }
  float sum = 0;
  VOX_UNROLL
  for (int i = 0; i < bench::kChainsPerThread; ++i) { sum += chain[i]; }
  sums[thread] = sum;
}

__global__ void tensor_core_kernel(float* sums, int steps) {
  wait_for_launches_before();
  const int thread = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  // Two bf16 each, between 1 and 2 in size with random signs: power, and with it the clock, depends on the bits.
  const auto operand = [&](int i) { return (hash(thread * 8 + i) & 0x807F807FU) | 0x3F803F80U; };
  const std::uint32_t a[4] = {operand(0), operand(1), operand(2), operand(3)};
  const std::uint32_t b[2] = {operand(4), operand(5)};
  float chain[bench::kTensorCoreChains][4] = {};
  for (int step = 0; step < steps; ++step) {
    VOX_UNROLL
    for (int i = 0; i < bench::kTensorCoreChains; ++i) { mma_m16n8k16_bf16(chain[i], a, b, chain[i]); }
  }
  float sum = 0;
  VOX_UNROLL
  for (int i = 0; i < bench::kTensorCoreChains; ++i) { sum += chain[i][0] + chain[i][1] + chain[i][2] + chain[i][3]; }
  sums[thread] = sum;
}

}  // namespace gpu

namespace bench {

template <class T> void fill(GpuQueue& q, const FillArgs<T>& a) {
  if (a.y.empty()) { return; }
  const auto count = static_cast<std::int64_t>(a.y.size());
  VOX_LAUNCH(q, (gpu::fill_kernel<T>), gpu::blocks_for(count, gpu::kProbeThreads), gpu::kProbeThreads, 0, a.y.data(),
             count, a.shape, static_cast<std::int64_t>(a.seed) << 40);
}
template void fill(GpuQueue&, const FillArgs<float>&);
template void fill(GpuQueue&, const FillArgs<double>&);
template void fill(GpuQueue&, const FillArgs<Bf16>&);

void copy(GpuQueue& q, std::span<const float> from, std::span<float> to) {
  const auto packs = static_cast<std::int64_t>(to.size() / 4);
  VOX_LAUNCH(q, gpu::copy_kernel, gpu::blocks_for(packs, gpu::kProbeThreads), gpu::kProbeThreads, 0, from.data(),
             to.data(), packs);
}

void read(GpuQueue& q, std::span<const float> from, std::span<float> to) {
  const auto packs = static_cast<std::int64_t>(from.size() / 4);
  const std::int64_t threads = (packs + gpu::kReadPacks - 1) / gpu::kReadPacks;
  VOX_LAUNCH(q, gpu::read_kernel, gpu::blocks_for(threads, gpu::kProbeThreads), gpu::kProbeThreads, 0, from.data(),
             to.data(), packs);
}

void nothing(GpuQueue& q) { VOX_LAUNCH(q, gpu::nothing_kernel, 1U, 32, 0, 0); }

void multiply_add(GpuQueue& q, const Chains& c) {
  VOX_LAUNCH(q, gpu::multiply_add_kernel, static_cast<unsigned>(c.blocks), kChainThreads, 0, c.sums.data(), c.steps);
}

void multiply_tensor_cores(GpuQueue& q, const Chains& c) {
  VOX_LAUNCH(q, gpu::tensor_core_kernel, static_cast<unsigned>(c.blocks), kChainThreads, 0, c.sums.data(), c.steps);
}

}  // namespace bench
}  // namespace vox
