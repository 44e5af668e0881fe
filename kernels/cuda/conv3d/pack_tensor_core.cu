#include "kernels/cuda/conv3d/pack_tensor_core.cuh"

#include <algorithm>

#include "kernels/cuda/table.cuh"

namespace vox {
namespace gpu {

inline constexpr int kPackThreads = 1024;
inline constexpr int kPackEntries = 64;  // of one launch: their table is its parameter, 4 KB at most

template <int N> struct PackTable {
  PackEntry of[N];
  int entries;
};

/// A thread block packs a chunk: it reads the weights of 16 times 16 channels row by row, and a thread writes the eight
/// input channels of one output channel.
template <int N> __global__ void __launch_bounds__(kPackThreads) pack_tensor_core_kernel(PackTable<N> table) {
  wait_for_launches_before();
  constexpr int kRow = 16 * 27;        ///< of the weight: one channel of its first axis, 16 of its second
  constexpr int kPitch = kRow + 2;     ///< of rows in shared memory: fewest bank conflicts either way
  constexpr int kCells = 27 * 2 * 16;  ///< of eight channels
  constexpr int kRowThreads = kPackThreads / 16;
  constexpr int kEach = (kRow + kRowThreads - 1) / kRowThreads;
  static_assert(kCells * 8 == kPackedChunk && kCells <= kPackThreads);
  VOX_SHARED(float, weights, [16 * kPitch]);
  // Of a table of one the entry is known, and the table needs no local memory.
  const PackEntry a = table.of[this_entry(table.of, N == 1 ? 1 : table.entries)];
  const int thread = static_cast<int>(threadIdx.x);
  const int chunk = static_cast<int>(blockIdx.x - a.first_chunk);
  const int out = chunk / a.steps * 16;
  const int in = chunk % a.steps * 16;
  const int first = (a.spread != 0 ? in : out) + thread / kRowThreads;  // the channels of the weight's axes
  const int second = a.spread != 0 ? out : in;
  const int firsts = a.spread != 0 ? a.in_channels : a.out_channels;
  const int seconds = a.spread != 0 ? a.out_channels : a.in_channels;
  const int column = thread % kRowThreads;
  const int there = first < firsts ? min(16, seconds - second) * 27 : 0;
  const float* const from =
      a.weight + (static_cast<std::int64_t>(min(first, firsts - 1)) * seconds + min(second, seconds - 1)) * 27;
  float read[kEach];
  VOX_UNROLL
  for (int k = 0; k < kEach; ++k) {  // all loads before the first use
    const int c = column + k * kRowThreads;
    read[k] = c < there ? from[c] : 0.0F;
  }
  VOX_UNROLL
  for (int k = 0; k < kEach; ++k) {
    const int c = column + k * kRowThreads;
    if (c < kRow) { weights[thread / kRowThreads * kPitch + c] = read[k]; }
  }
  __syncthreads();
  if (thread >= kCells) { return; }
  const int o = thread % 16;
  const int half = thread / 16 % 2;
  int tap = thread / 32;
  int i = half * 8;
  bool used = true;
  if (in + 8 >= a.in_channels) {
    used = tap < 18 && tap % 2 * 2 + half < 3;
    tap = tap / 2 * 3 + tap % 2 * 2 + half;
    i = 0;
  }
  const int at = a.spread != 0 ? i * kPitch + o * 27 + 26 - tap : o * kPitch + i * 27 + tap;
  const int next = a.spread != 0 ? kPitch : 27;
  float v[8];
  VOX_UNROLL
  for (int k = 0; k < 8; ++k) { v[k] = used ? weights[at + k * next] : 0.0F; }
  store_wide(a.packed + (static_cast<std::int64_t>(chunk) * kCells + thread) * 8, v);
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
