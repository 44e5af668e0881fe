#include <type_traits>

#include "kernels/cuda/conv3d/march_launch.cuh"
#include "kernels/cuda/conv3d/sum_shares.cuh"

// 3^3, stride 1, padding 1, on the ordinary arithmetic units. Warp = 8 voxels of W x 4 quads of output channels; thread
// = a column of 8 rows (f64: 4) by 4 output channels, for three output slices: 96 sums. Per tap column kw and step of
// channels it reads 10 voxels and 9 x 4 weights, all of them one address per cell of 16 bytes and free of conflicts,
// for 1152 multiply-adds. The gradient of the input is the same with the taps packed backwards.

namespace vox::gpu {

template <class T> inline constexpr int kStepChannels = sizeof(T) == 8 ? 4 : 8;  ///< of one step: 32 bytes, bf16 16
template <class T> inline constexpr int kReadChannels = sizeof(T) == 8 ? 1 : 2;  ///< of one read

/// packed[16 output channels][step][27][kStepChannels][16]
template <class T> __global__ void pack_tiled_kernel(PackArgs<T> a, Acc<T>* packed, std::int64_t elements) {
  wait_for_launches_before();
  const std::int64_t e = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e >= elements) { return; }
  constexpr int kStep = kStepChannels<T>;
  const std::int64_t chunk = e / (27 * kStep * 16);
  const int tap = static_cast<int>(e / (kStep * 16) % 27);
  const int o = static_cast<int>(chunk / a.steps * 16 + e % 16);
  const int i = static_cast<int>(chunk % a.steps * kStep + e / 16 % kStep);
  packed[e] = march_weight(a, o, i, tap);
}

/// acc[0..2] are the output slices before, at and after the input slice, which they see through kd = 2, 1, 0.
template <class T, class Tile, class A>
__device__ __forceinline__ void add_tiled_step(const Pack<T, kWide<T>>* input, const A* weight, const bool (&active)[3],
                                               A (&acc)[3][Tile::kRows][4]) {
  constexpr int kStep = kStepChannels<T>;
  constexpr int kRead = kReadChannels<T>;
  VOX_NO_UNROLL
  for (int i = 0; i < 3 * (kStep / kRead); ++i) {
    const int kw = i % 3;
    const int first = i / 3 * kRead;
    const Pack<T, kWide<T>>* const cell = input + first / kWide<T> * Tile::kPlane + kw;
    Pack<T, kRead> x[Tile::kRows + 2];
    VOX_UNROLL
    for (int r = 0; r < Tile::kRows + 2; ++r) { x[r] = load_pack<kRead>(cell[r * Tile::kPitch].v + first % kWide<T>); }
    VOX_UNROLL
    for (int j = 0; j < 3; ++j) {
      if (!active[j]) { continue; }
      VOX_UNROLL
      for (int kh = 0; kh < 3; ++kh) {
        VOX_UNROLL
        for (int c = 0; c < kRead; ++c) {
          const Pack<A, 4> w = load_pack<4>(weight + ((((2 - j) * 3 + kh) * 3 + kw) * kStep + first + c) * 16);
          VOX_UNROLL
          for (int v = 0; v < Tile::kRows; ++v) {
            VOX_UNROLL
            for (int o = 0; o < 4; ++o) { acc[j][v][o] += load(x[v + kh].v[c]) * w.v[o]; }
          }
        }
      }
    }
  }
}

/// Adds the distances of four channels' values from `about`, and their squares, to [channel][2] of sums.
__device__ __forceinline__ void add_distances(const Pack<float, 4>& y, const float* about, float (&sums)[8]) {
  const auto from = load_pack<4>(about);
  VOX_UNROLL
  for (int o = 0; o < 4; ++o) {
    const float distance = y.v[o] - from.v[o];
    sums[2 * o] += distance;
    sums[2 * o + 1] += distance * distance;
  }
}

/// Four values of a cell, by stores of 16 bytes; of bf16 there are eight bytes.
template <class T> __device__ __forceinline__ void store_four(T* to, const Pack<T, 4>& v) {
  if constexpr (sizeof v % sizeof(Words) == 0) {
    store_whole(to, v);
  } else {
    store_pack(to, v);
  }
}

/// Writes the thread's column of one output slice; channels beyond the last are zero, whatever the sums say. MOMENTS:
/// adds what was written to the lane's sum, see sum_of_eight().
template <class T, class Tile, bool MOMENTS>
__device__ __forceinline__ void store_tiled(const MarchArgs<T>& a, const MarchPlace& at, int d, const MarchWarp<T>& my,
                                            const Acc<T> (&acc)[Tile::kRows][4], float& moment) {
  const unsigned lane = threadIdx.x % 32;
  const int w = my.w + static_cast<int>(lane % 8);
  const int channel = my.channel + static_cast<int>(lane / 8) * 4;
  const bool inside = w < a.w && channel / 8 < a.out_blocks;
  if (!MOMENTS && !inside) { return; }
  const int rows = inside ? a.h - my.h : 0;
  if (a.shares > 1) {
    Acc<T>* const to = march_partial(a, at, d, channel / 8) + (my.h * a.w + w) * 8 + channel % 8;
    VOX_UNROLL
    for (int v = 0; v < Tile::kRows; ++v) {
      if (v < rows) {
        store_four(to + static_cast<std::int64_t>(v) * (a.w * 8),
                   Pack<Acc<T>, 4>{{acc[v][0], acc[v][1], acc[v][2], acc[v][3]}});
      }
    }
    return;
  }
  Pack<Acc<T>, 4> bias{};
  if (a.bias != nullptr) {
    VOX_UNROLL
    for (int o = 0; o < 4; ++o) { bias.v[o] = channel + o < a.out_channels ? a.bias[channel + o] : Acc<T>{0}; }
  }
  T* const block = my.out[lane / 16];  // null where the lane has no channels: an address is formed where one stores
  const std::int64_t first = static_cast<std::int64_t>(d) * (a.h * a.w * 8) + lane % 8 * 8 + lane / 8 % 2 * 4;
  float* const about = about_of_warp<Tile>(static_cast<int>(threadIdx.x / 32)) + lane / 8 * 4;
  float sums[8] = {};  // [channel][of values, of squares]
  VOX_UNROLL
  for (int v = 0; v < Tile::kRows; ++v) {
    if (!MOMENTS && v >= rows) { return; }
    Pack<T, 4> y;
    VOX_UNROLL
    for (int o = 0; o < 4; ++o) {
      const Acc<T> sum = channel + o < a.out_channels ? acc[v][o] + bias.v[o] : Acc<T>{0};
      y.v[o] = store<T>(a.relu != 0 && sum <= 0 ? Acc<T>{0} : sum);  // NaN stays one
    }
    if (v < rows) { store_four(block + (first + static_cast<std::int64_t>(v) * (a.w * 8)), y); }
    if constexpr (MOMENTS) {
      if (v == 0 && d == at.first) {
        if (lane % 8 == 0) { store_pack(about, y); }
        __syncwarp();
      }
      if (v < rows) { add_distances(y, about, sums); }
    }
  }
  if constexpr (MOMENTS) { moment += sum_of_eight<1>(sums); }
}

template <class T, class TileOf, bool MOMENTS> struct TiledMarch {
  static_assert(!MOMENTS || std::is_same_v<T, float>);
  using Tile = TileOf;
  static constexpr bool kOneStep = false;
  using Cell = Pack<T, kWide<T>>;
  struct Sums {
    Acc<T> acc[3][Tile::kRows][4];
    float moment;
  };

  static constexpr int kStepsPerBlock = 8 / kStepChannels<T>;
  struct Source {
    MarchSource<Tile, Tile::kCells, T> tile;
    __device__ __forceinline__ Source(const MarchArgs<T>& a, int h, int w) : tile(a, h, w) {}
    __device__ __forceinline__ void clear(Cell* to) const { tile.clear(to, 1); }
    __device__ __forceinline__ void copy(Cell* to, const MarchPlanes<T>& from, std::int64_t offset) const {
      tile.copy(to, from.first + offset);
    }
  };
  static __device__ __forceinline__ MarchPlanes<T> planes(const MarchArgs<T>& a, int n, int step) {
    return {a.in.at(n, step / kStepsPerBlock) + step % kStepsPerBlock * kStepChannels<T>, nullptr};
  }
  static __device__ __forceinline__ void begin(const MarchArgs<T>&, const MarchPlace&) {}
  static __device__ __forceinline__ void add(const Cell* input, const unsigned char* weight, const MarchArgs<T>&, int,
                                             const bool (&active)[3], Sums& sums) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    add_tiled_step<T, Tile>(input + lane % 8, reinterpret_cast<const Acc<T>*>(weight) + lane / 8 * 4, active, sums.acc);
  }
  static __device__ __forceinline__ void store(const MarchArgs<T>& a, const MarchPlace& at, int d,
                                               const MarchWarp<T>& my, Sums& sums) {
    store_tiled<T, Tile, MOMENTS>(a, at, d, my, sums.acc[0], sums.moment);
  }
  static __device__ __forceinline__ void end(const MarchArgs<T>& a, const MarchPlace& at, const MarchWarp<T>* warps,
                                             unsigned char* shared, const Sums& sums) {
    if constexpr (MOMENTS) {
      write_moments<Tile>(a, at, warps, reinterpret_cast<float*>(shared), sums.moment,
                          [](int c, int k) { return c / 4 * 8 + c % 4 * 2 + k; });
    }
  }
  static __device__ __forceinline__ void shift(Sums& sums) {
    VOX_UNROLL
    for (int v = 0; v < Tile::kRows; ++v) {
      VOX_UNROLL
      for (int o = 0; o < 4; ++o) {
        sums.acc[0][v][o] = sums.acc[1][v][o];
        sums.acc[1][v][o] = sums.acc[2][v][o];
        sums.acc[2][v][o] = 0;
      }
    }
  }
};

template <class T, class Tile, bool MOMENTS>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks - (sizeof(T) == 2 ? 1 : 0))
    convolve_tiled_kernel(MarchArgs<T> a) {
  wait_for_launches_before();
  march<TiledMarch<T, Tile, MOMENTS>>(a);
}

template <class Tile, bool MOMENTS, class T>
void launch_tiled(GpuQueue& q, const MarchArgs<T>& a, std::int64_t blocks) {
  if (march_fills_gpu<Tile>(blocks)) {
    VOX_LAUNCH(q, (convolve_tiled_kernel<T, Tile, MOMENTS>), static_cast<unsigned>(blocks), Tile::kThreads,
               march_shared_bytes<Tile>(a), a);
  } else {
    VOX_LAUNCH_ALONE(q, (convolve_tiled_kernel<T, Tile, MOMENTS>), static_cast<unsigned>(blocks), Tile::kThreads,
                     march_shared_bytes<Tile>(a), a);
  }
}
template <class Tile, class T> void launch_tiled(GpuQueue& q, const MarchArgs<T>& a, std::int64_t blocks) {
  if constexpr (std::is_same_v<T, float>) {
    if (a.moments != nullptr && a.shares == 1) { return launch_tiled<Tile, true>(q, a, blocks); }
  }
  launch_tiled<Tile, false>(q, a, blocks);
}

template <class T> void convolve_tiled(GpuQueue& q, const Convolve<T>& a) {
  constexpr int kRows = sizeof(T) == 8 ? 4 : 8;
  constexpr int kCells = kStepChannels<T> / kWide<T>;
  constexpr int kPackThreads = 256;
  const Conv3dMarch m = conv3d_march(a.geometry, a.pass, kRows);
  const int steps = static_cast<int>(m.in.blocks()) * (8 / kStepChannels<T>);
  const PackArgs<T> pack{.weight = a.weight,
                         .in_channels = static_cast<int>(m.in.c),
                         .out_channels = static_cast<int>(m.out.c),
                         .steps = steps,
                         .spread = a.pass == Conv3dPass::spread ? 1 : 0};
  const std::int64_t elements = m.groups * m.warps_n * 16 * steps * kStepChannels<T> * 27;
  VOX_LAUNCH(q, (pack_tiled_kernel<T>), blocks_for(elements, kPackThreads), kPackThreads, 0, pack, a.scratch, elements);
  const MarchArgs<T> args = march_args(a, m, steps, 16 / kStepChannels<T>);
  if (m.wide) {
    launch_tiled<MarchTile<2, 2, 1, kRows, kCells>>(q, args, m.blocks());
  } else {
    launch_tiled<MarchTile<1, 1, 2, kRows, kCells>>(q, args, m.blocks());
  }
  sum_shares(q, args);
}

template void convolve_tiled(GpuQueue&, const Convolve<float>&);
template void convolve_tiled(GpuQueue&, const Convolve<double>&);
template void convolve_tiled(GpuQueue&, const Convolve<Bf16>&);

}  // namespace vox::gpu
