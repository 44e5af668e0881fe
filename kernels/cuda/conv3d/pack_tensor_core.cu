#include "kernels/cuda/conv3d/pack_tensor_core.cuh"

#include <algorithm>

namespace vox {
namespace gpu {

inline constexpr int kPackThreads = 1024;
inline constexpr int kPackEntries = 64;  // of one launch: their table is its parameter, 4 KB at most

template <int N> struct PackTable {
  PackEntry of[N];
  int entries;
};

/// The entry that chunk blockIdx.x belongs to: the last that does not begin after it.
template <int N> __device__ __forceinline__ int pack_entry(const PackTable<N>& table) {
  int low = 0;
  int high = table.entries;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (table.of[middle].first_chunk <= blockIdx.x) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/// A thread block packs a chunk: it reads the weights of 16 times 16 channels row by row, and writes them in order.
template <int N> __global__ void __launch_bounds__(kPackThreads) pack_tensor_core_kernel(PackTable<N> table) {
  wait_for_launches_before();
  constexpr int kRow = 16 * 27;  ///< of the weight: one channel of its first axis, 16 of its second
  constexpr int kEach = (kPackedChunk + kPackThreads - 1) / kPackThreads;
  VOX_SHARED(float, weights, [kPackedChunk]);
  const PackEntry a = table.of[pack_entry(table)];
  const int thread = static_cast<int>(threadIdx.x);
  const int chunk = static_cast<int>(blockIdx.x - a.first_chunk);
  const int out = chunk / a.steps * 16;
  const int in = chunk % a.steps * 16;
  const int first = a.spread != 0 ? in : out;  // the channels of the weight's axes
  const int second = a.spread != 0 ? out : in;
  const int firsts = a.spread != 0 ? a.in_channels : a.out_channels;
  const int seconds = a.spread != 0 ? a.out_channels : a.in_channels;
  const float* const from = a.weight + (static_cast<std::int64_t>(first) * seconds + second) * 27;
  float read[kEach];
  VOX_UNROLL
  for (int k = 0; k < kEach; ++k) {  // all loads before the first use
    const int e = thread + k * kPackThreads;
    const bool there = e < kPackedChunk && first + e / kRow < firsts && second + e % kRow / 27 < seconds;
    read[k] = there ? from[e / kRow * seconds * 27 + e % kRow] : 0.0F;
  }
  VOX_UNROLL
  for (int k = 0; k < kEach; ++k) {
    if (thread + k * kPackThreads < kPackedChunk) { weights[thread + k * kPackThreads] = read[k]; }
  }
  __syncthreads();
  const bool single = in + 8 >= a.in_channels;
  VOX_UNROLL
  for (int k = 0; k < kEach; ++k) {
    const int e = thread + k * kPackThreads;
    if (e >= kPackedChunk) { break; }
    const int o = e / 8 % 16;
    const int half = e / 128 % 2;
    int tap = e / 256;
    int i = e % 8;
    bool there = true;
    if (single) {
      there = tap < 18 && tap % 2 * 2 + half < 3;
      tap = tap / 2 * 3 + tap % 2 * 2 + half;
    } else {
      i += half * 8;
    }
    const int at = a.spread != 0 ? (i * 16 + o) * 27 + 26 - tap : (o * 16 + i) * 27 + tap;
    a.packed[static_cast<std::int64_t>(chunk) * kPackedChunk + e] = to_bf16(there ? weights[at] : 0.0F);
  }
}

namespace {

PackEntry entry_of(const Conv3dPack& p, unsigned first_chunk) {
  const bool spread = p.pass == Conv3dPass::spread;
  const std::int64_t in = spread ? p.out_channels : p.in_channels;
  return {.weight = p.weight.data(),
          .packed = p.packed.data(),
          .first_chunk = first_chunk,
          .in_channels = static_cast<int>(in),
          .out_channels = static_cast<int>(spread ? p.in_channels : p.out_channels),
          .steps = static_cast<int>(ceil_div(in, 16)),
          .spread = spread ? 1 : 0};
}

}  // namespace

void pack_tensor_core(GpuQueue& q, const Conv3dPack& p, std::int64_t groups) {
  const PackTable<1> table{.of = {entry_of(p, 0)}, .entries = 1};
  VOX_LAUNCH(q, (pack_tensor_core_kernel<1>), static_cast<unsigned>(groups * table.of[0].steps), kPackThreads, 0,
             table);
}

}  // namespace gpu

void conv3d_pack(GpuQueue& q, std::span<const Conv3dPack> weights) {
  for (std::size_t begin = 0; begin < weights.size(); begin += gpu::kPackEntries) {
    gpu::PackTable<gpu::kPackEntries> table{};
    unsigned chunks = 0;
    for (const Conv3dPack& p :
         weights.subspan(begin, std::min<std::size_t>(gpu::kPackEntries, weights.size() - begin))) {
      table.of[table.entries++] = gpu::entry_of(p, chunks);
      chunks +=
          static_cast<unsigned>(conv3d_packed_elements(p.out_channels, p.in_channels, p.pass) / gpu::kPackedChunk);
    }
    if (chunks > 0) {
      VOX_LAUNCH(q, (gpu::pack_tensor_core_kernel<gpu::kPackEntries>), chunks, gpu::kPackThreads, 0, table);
    }
  }
}

}  // namespace vox
