#include "kernels/cuda/conv3d/pack_tensor_core.cuh"

#include <algorithm>

#include "kernels/cuda/table.cuh"

namespace vox {
namespace gpu {

inline constexpr int kPackThreads = 1024;
inline constexpr int kPackEntries = 64;  // of one launch: their table is its parameter, 4 KB at most

// 3^3: a thread block packs a chunk of 16 times 16 channels.
inline constexpr int kRow = 16 * 27;     ///< of the weight: one channel of its first axis, 16 of its second
inline constexpr int kPitch = kRow + 2;  ///< of rows in shared memory: fewest bank conflicts either way
// 2^3 and 1^3: kUnits times 32 input by 8 output channels, a unit to kUnitThreads.
inline constexpr int kUnitThreads = 256;
inline constexpr int kUnits = kPackThreads / kUnitThreads;
inline constexpr int kUnitIn = 32;
inline constexpr int kUnitPitch = 9;                         ///< from an input channel to the next: no bank conflicts
inline constexpr int kTapPitch = kUnitIn * kUnitPitch + 16;  ///< and from a tap to the next
inline constexpr int kPackShared = std::max(16 * kPitch, kUnits * 8 * kTapPitch);

template <int N> struct PackTable {
  PackEntry of[N];
  int entries;
};

/// Reads the weights of 16 times 16 channels row by row; a thread writes the eight input channels of one output
/// channel.
__device__ __forceinline__ void pack_march(const PackEntry& a, float* weights) {
  constexpr int kCells = 27 * 2 * 16;  ///< of eight channels
  constexpr int kRowThreads = kPackThreads / 16;
  constexpr int kEach = (kRow + kRowThreads - 1) / kRowThreads;
  static_assert(kCells * 8 == kPackedChunk && kCells <= kPackThreads);
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

/// Of the fragments of a matrix product: a thread reads the taps of a pair of channels, the weight's neighbours, and
/// writes one tap's eight input channels of one output channel. A warp writes a step of a tile: 512 bytes in a row,
/// where a step has chunks of one unit.
__device__ __forceinline__ void pack_gemm(const PackEntry& a, float* weights) {
  const int thread = static_cast<int>(threadIdx.x) % kUnitThreads;
  const int of_block = static_cast<int>(threadIdx.x) / kUnitThreads;
  const int unit = static_cast<int>(blockIdx.x - a.first_chunk) * kUnits + of_block;
  const int in_units = (a.in_channels + kUnitIn - 1) / kUnitIn;
  const int in_unit = unit % in_units;
  const int out_block = unit / in_units;
  const bool spread = a.spread != 0;
  const bool pairs = a.kernel == 2;  // two chunks, or two tiles, lie side by side along W
  float* const turned = weights + of_block * 8 * kTapPitch;
  {
    const int i = spread ? thread / 8 : thread % kUnitIn;
    const int o = spread ? thread % 8 : thread / kUnitIn;
    const int in = in_unit * kUnitIn + i;
    const int out = out_block * 8 + o;
    const bool there = in < a.in_channels && out < a.out_channels;
    const std::int64_t pair = spread ? static_cast<std::int64_t>(in) * a.out_channels + out
                                     : static_cast<std::int64_t>(out) * a.in_channels + in;
    float* const to = turned + i * kUnitPitch + o;
    if (pairs) {
      VOX_UNROLL
      for (int half = 0; half < 2; ++half) {
        const auto taps = there ? load_pack<4>(a.weight + pair * 8 + half * 4) : Pack<float, 4>{};
        VOX_UNROLL
        for (int t = 0; t < 4; ++t) { to[(half * 4 + t) * kTapPitch] = taps.v[t]; }
      }
    } else {
      to[0] = there ? a.weight[pair] : 0.0F;
    }
  }
  __syncthreads();
  const int in_blocks = (a.in_channels + 7) / 8;
  const int out_blocks = (a.out_channels + 7) / 8;
  const int tiles =
      spread && pairs ? out_blocks : (out_blocks + 3) / 4 * 4;  // blocks of output channels that have some
  if (out_block >= tiles || (!pairs && thread >= 32)) { return; }
  const int o = thread % 32 / 4;
  int tap = 0;
  int block = thread % 4;  // of the unit's input channels
  int tile = out_block;
  int chunk = in_unit * 4 + block;
  if (pairs && spread) {
    tap = thread / 32;
    tile = (tap / 2 * out_blocks + out_block) * 2 + tap % 2;
  } else if (pairs) {
    const int in_row = thread / 32 % 2 * 4 + thread % 4;  // of the chunks that the unit has of one kd and kh
    block = in_row / 2;
    if (in_unit * 4 + block >= in_blocks) { return; }
    tap = thread / 64 * 2 + in_row % 2;
    chunk = (tap / 2 * in_blocks + in_unit * 4) * 2 + in_row;
  }
  float v[8];
  VOX_UNROLL
  for (int k = 0; k < 8; ++k) { v[k] = turned[tap * kTapPitch + (block * 8 + k) * kUnitPitch + o]; }
  const std::int64_t step = static_cast<std::int64_t>(tile) * a.steps + chunk / 4;
  store_wide(a.packed + (step * 32 + o * 4 + chunk % 4) * 8, v);
}

/// Each thread block packs a piece of one weight of the table.
template <int N> __global__ void __launch_bounds__(kPackThreads) pack_tensor_core_kernel(PackTable<N> table) {
  wait_for_launches_before();
  VOX_SHARED(float, weights, [kPackShared]);
  // Of a table of one the entry is known, and the table needs no local memory.
  const PackEntry a = table.of[this_entry(table.of, N == 1 ? 1 : table.entries)];
  if (a.kernel == 3) {
    pack_march(a, weights);
  } else {
    pack_gemm(a, weights);
  }
}

static PackEntry entry_of(const Conv3dPack& p, unsigned first_chunk) {
  const bool spread = p.pass == Conv3dPass::spread;
  const std::int64_t in = spread ? p.out_channels : p.in_channels;
  const std::int64_t chunks = channel_blocks(in) * (p.kernel == 2 && !spread ? 8 : 1);
  return {.weight = p.weight.data(),
          .packed = p.packed.data(),
          .first_chunk = first_chunk,
          .in_channels = static_cast<int>(in),
          .out_channels = static_cast<int>(spread ? p.in_channels : p.out_channels),
          .steps = static_cast<int>(p.kernel == 3 ? ceil_div(in, 16) : ceil_div(chunks, 4)),
          .spread = spread ? 1 : 0,
          .kernel = static_cast<int>(p.kernel)};
}

/// Thread blocks that pack it. groups: of 16 output channels of a 3^3 convolution.
static unsigned pack_blocks(const PackEntry& a, std::int64_t groups) {
  if (a.kernel == 3) { return static_cast<unsigned>(groups * a.steps); }
  const std::int64_t out_blocks = channel_blocks(a.out_channels);
  const std::int64_t tiles = a.spread != 0 && a.kernel == 2 ? out_blocks : ceil_div(out_blocks, 4) * 4;
  return static_cast<unsigned>(ceil_div(tiles * ceil_div(a.in_channels, kUnitIn), kUnits));
}

void pack_tensor_core(GpuQueue& q, const Conv3dPack& p, std::int64_t groups) {
  const PackTable<1> table{.of = {entry_of(p, 0)}, .entries = 1};
  VOX_LAUNCH(q, (pack_tensor_core_kernel<1>), pack_blocks(table.of[0], groups), kPackThreads, 0, table);
}

}  // namespace gpu

void conv3d_pack(GpuQueue& q, std::span<const Conv3dPack> weights) {
  for (std::size_t begin = 0; begin < weights.size(); begin += gpu::kPackEntries) {
    gpu::PackTable<gpu::kPackEntries> table{};
    unsigned chunks = 0;
    for (const Conv3dPack& p :
         weights.subspan(begin, std::min<std::size_t>(gpu::kPackEntries, weights.size() - begin))) {
      gpu::PackEntry& entry = table.of[table.entries++] = gpu::entry_of(p, chunks);
      chunks += gpu::pack_blocks(entry, ceil_div(entry.out_channels, 32) * 2);
    }
    if (chunks > 0) {
      VOX_LAUNCH(q, (gpu::pack_tensor_core_kernel<gpu::kPackEntries>), chunks, gpu::kPackThreads, 0, table);
    }
  }
}

}  // namespace vox
