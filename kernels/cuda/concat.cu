#include "kernels/concat.h"

#include "kernels/cuda/chunk.cuh"

namespace vox {
namespace gpu {

/// Channels of a blocked volume: channel_count of them from first_channel on.
template <class T> struct ConcatSource {
  const T* data;
  int blocks;  ///< of a case
  int first_channel;
  int channel_count;
};
template <class T> struct ConcatSources { ConcatSource<T> of[2]; };

/// Where a channel of case n lies at the chunk's first voxel, when the sources' channels are counted one after the
/// other; the next voxel lies kBlock8 further on. Null for a padding channel.
template <class T>
__device__ __forceinline__ const T* channel_at(const ConcatSources<T>& sources, const Chunk& chunk, std::int64_t voxels,
                                               int channel) {
  VOX_UNROLL
  for (int i = 0; i < 2; ++i) {
    const ConcatSource<T>& s = sources.of[i];
    if (channel >= 0 && channel < s.channel_count) {
      const int c = s.first_channel + channel;
      const std::int64_t row = static_cast<std::int64_t>(chunk.n) * s.blocks + c / kBlock8;
      return s.data + (row * voxels + chunk.voxel) * kBlock8 + c % kBlock8;
    }
    channel -= s.channel_count;
  }
  return nullptr;
}

/// Fills one chunk of a blocked volume with the channels of the sources. A block whose eight lanes are a block of one
/// source is copied 16 bytes at a time; elsewhere a thread picks the lanes of its voxel one by one.
template <class T> __global__ void gather_channels_kernel(ConcatSources<T> sources, ChunkGrid grid, T* to) {
  wait_for_launches_before();
  constexpr int kLanes = static_cast<int>(kBlock8);
  const Chunk chunk = this_chunk(grid);
  const int first = static_cast<int>(chunk.block) * kLanes;
  const ConcatSource<T>& a = sources.of[0];  // picked apart below: an index into parameters would make a local copy
  const ConcatSource<T>& b = sources.of[1];
  const bool in_a = first < a.channel_count;
  const int in_source = in_a ? first : first - a.channel_count;
  const int channel = in_source + (in_a ? a.first_channel : b.first_channel);
  T* const out = to + chunk.at;
  if (in_source + kLanes <= (in_a ? a.channel_count : b.channel_count) && channel % kLanes == 0) {
    const T* const from = channel_at(sources, chunk, grid.voxels, first);
    for (int i = static_cast<int>(threadIdx.x); i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
      store_whole(out + i * kWide<T>, load_pack<kWide<T>>(from + i * kWide<T>));
    }
    return;
  }
  VOX_SHARED(const T*, lanes, [kLanes]);
  if (threadIdx.x < kLanes) {
    lanes[threadIdx.x] = channel_at(sources, chunk, grid.voxels, first + static_cast<int>(threadIdx.x));
  }
  __syncthreads();
  for (int v = static_cast<int>(threadIdx.x); v < chunk.voxels; v += kChunkThreads) {
    Pack<T, kLanes> voxel;
    VOX_UNROLL
    for (int c = 0; c < kLanes; ++c) { voxel.v[c] = lanes[c] == nullptr ? T{} : lanes[c][v * kLanes]; }
    store_whole(out + v * kLanes, voxel);
  }
}

template <class T> void gather_channels(GpuQueue& q, const ConcatSources<T>& sources, const VolumeShape& shape, T* to) {
  const ChunkGrid grid = block_grid(shape);
  VOX_LAUNCH(q, (gather_channels_kernel<T>), grid.count, kChunkThreads, 0, sources, grid, to);
}

template <class T>
[[nodiscard]] ConcatSource<T> source(const T* data, const VolumeShape& s, std::int64_t first, std::int64_t count) {
  return {.data = data,
          .blocks = static_cast<int>(s.blocks()),
          .first_channel = static_cast<int>(first),
          .channel_count = static_cast<int>(count)};
}

[[nodiscard]] inline VolumeShape joined(VolumeShape a, const VolumeShape& b) {
  a.c += b.c;
  return a;
}

}  // namespace gpu

template <class T> void concat_forward(GpuQueue& q, const ConcatArgs<T>& a) {
  const gpu::ConcatSources<T> sources{
      {gpu::source(a.a.data(), a.a_shape, 0, a.a_shape.c), gpu::source(a.b.data(), a.b_shape, 0, a.b_shape.c)}};
  gpu::gather_channels(q, sources, gpu::joined(a.a_shape, a.b_shape), a.y.data());
}

template <class T> void concat_backward(GpuQueue& q, const ConcatGradArgs<T>& a) {
  const VolumeShape shape = gpu::joined(a.a_shape, a.b_shape);
  if (!a.da.empty()) {
    const gpu::ConcatSources<T> sources{{gpu::source(a.dy.data(), shape, 0, a.a_shape.c), {}}};
    gpu::gather_channels(q, sources, a.a_shape, a.da.data());
  }
  if (!a.db.empty()) {
    const gpu::ConcatSources<T> sources{{gpu::source(a.dy.data(), shape, a.a_shape.c, a.b_shape.c), {}}};
    gpu::gather_channels(q, sources, a.b_shape, a.db.data());
  }
}

VOX_INSTANTIATE(GpuQueue, concat_forward, ConcatArgs);
VOX_INSTANTIATE(GpuQueue, concat_backward, ConcatGradArgs);

}  // namespace vox
