#include "kernels/augment.h"

#include "kernels/base/normal.h"
#include "kernels/base/sampling.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/philox.cuh"

namespace vox {
namespace gpu {

inline constexpr int kLanes = static_cast<int>(kBlock8);
inline constexpr int kRowThreads = 32;  ///< a warp takes a row along W
inline constexpr int kAugmentThreads = 256;

/// What happens to a block of channels of one sample.
struct BlockChange {
  std::array<std::int64_t, 3> size;
  Movement movement;
  int channels;  ///< of the block that exist
  ChannelLine intensity[kLanes];
  float noise_sigma;
  std::uint64_t noise_group;  ///< of the sample
  std::uint64_t first_value;  ///< of the block, in the sample's image
  PhiloxKeys noise;
};

/// A voxel of the output, in the input: eight neighbours, and the nearest.
struct Source {
  std::int64_t low;             ///< the lowest neighbour's place
  std::array<float, 3> weight;  ///< of the upper neighbours
  unsigned there;               ///< bit i: neighbour i lies in the volume, bits of i being (d,h,w)
  std::int64_t nearest;         ///< -1: outside
};

__device__ __forceinline__ Source source_on(const SampleLine& line, const std::array<std::int64_t, 3>& size, int w) {
  std::int32_t low[3];
  std::int32_t nearest[3];
  unsigned there = 0xFF;
  bool inside = true;
  Source s;
  VOX_UNROLL
  for (int axis = 0; axis < 3; ++axis) {
    const unsigned upper = axis == 0 ? 0xF0U : axis == 1 ? 0xCCU : 0xAAU;  // neighbours that are the upper ones here
    const float point = line.at(static_cast<std::size_t>(axis), w);
    low[axis] = floor_of(point);
    s.weight[axis] = point - static_cast<float>(low[axis]);
    nearest[axis] = floor_of(point + 0.5F);
    const auto end = static_cast<std::int32_t>(size[axis]);
    there &= low[axis] >= 0 && low[axis] < end ? 0xFFU : upper;
    there &= low[axis] >= -1 && low[axis] < end - 1 ? 0xFFU : ~upper;
    inside = inside && nearest[axis] >= 0 && nearest[axis] < end;
  }
  s.low = (low[0] * size[1] + low[1]) * size[2] + low[2];
  s.there = there;
  s.nearest = inside ? (nearest[0] * size[1] + nearest[1]) * size[2] + nearest[2] : -1;
  return s;
}

/// volume [D,H,W] between the neighbours of a source.
__device__ __forceinline__ float sample(const float* volume, const std::array<std::int64_t, 3>& size, const Source& s) {
  float v[8];
  VOX_UNROLL
  for (int i = 0; i < 8; ++i) {
    const std::int64_t at = s.low + (i >> 2) * size[1] * size[2] + ((i >> 1) & 1) * size[2] + (i & 1);
    v[i] = ((s.there >> i) & 1U) != 0 ? volume[at] : 0.0F;
  }
  return interpolate(v, 2, 4, s.weight);
}

/// Normal number `value` of a sample.
__device__ __forceinline__ float noise_at(const BlockChange& change, std::uint64_t value) {
  const Philox4 bits = change.noise.random4(change.noise_group + value / 4, change.noise.step);
  const bool second = (value & 2U) != 0;
  const NormalPair pair = normal_pair(second ? bits.v[2] : bits.v[0], second ? bits.v[3] : bits.v[1]);
  return (value & 1U) != 0 ? pair.sine : pair.cosine;
}

/// One block of channels: a warp takes a row along W, a thread one voxel of it after another. out_labels: null where
/// another block of the sample has written them.
template <class T>
__global__ void augment_kernel(const float* images, const std::uint8_t* labels, T* out_images, std::uint8_t* out_labels,
                               BlockChange change) {
  wait_for_launches_before();
  const auto& size = change.size;
  const unsigned row = blockIdx.x * (kAugmentThreads / kRowThreads) + threadIdx.x / kRowThreads;
  if (row >= size[0] * size[1]) { return; }
  const std::int64_t voxels = size[0] * size[1] * size[2];
  const unsigned d = row / static_cast<unsigned>(size[1]);
  const unsigned h = row % static_cast<unsigned>(size[1]);
  const Movement& m = change.movement;
  SampleLine line{};
  std::int64_t from_row = 0;  // of a copy; negative: none
  if (m.rotated) {
    line = line_of(m, size, d, h);
  } else {
    const std::int64_t from_d = source_of(d, size[0], m.flip[0], m.shift[0]);
    const std::int64_t from_h = source_of(h, size[1], m.flip[1], m.shift[1]);
    const bool inside = from_d >= 0 && from_d < size[0] && from_h >= 0 && from_h < size[1];
    from_row = inside ? (from_d * size[1] + from_h) * size[2] : -1;
  }
  const auto width = static_cast<int>(size[2]);
  for (int w = static_cast<int>(threadIdx.x % kRowThreads); w < width; w += kRowThreads) {
    float x[kLanes];
    std::int64_t nearest = -1;
    if (m.rotated) {
      const Source source = source_on(line, size, w);
      nearest = source.nearest;
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) {
        x[c] = c < change.channels && source.there != 0 ? sample(images + c * voxels, size, source) : 0.0F;
      }
    } else {
      const std::int64_t from_w = source_of(w, size[2], m.flip[2], m.shift[2]);
      if (from_row >= 0 && from_w >= 0 && from_w < size[2]) { nearest = from_row + from_w; }
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) {
        x[c] = c < change.channels && nearest >= 0 ? images[c * voxels + nearest] : 0.0F;
      }
    }
    const std::int64_t to = row * size[2] + w;
    if (out_labels != nullptr) { out_labels[to] = nearest >= 0 ? labels[nearest] : std::uint8_t{0}; }
    VOX_UNROLL
    for (int c = 0; c < kLanes; ++c) {
      const ChannelLine& line_of_channel = change.intensity[c];
      x[c] = x[c] == 0.0F ? x[c] : product(x[c], line_of_channel.scale) + line_of_channel.offset;
    }
    if (change.noise_sigma > 0) {
      VOX_UNROLL
      for (int c = 0; c < kLanes; ++c) {
        if (x[c] != 0.0F) {
          const std::uint64_t value = change.first_value + static_cast<std::uint64_t>(c * voxels + to);
          x[c] = x[c] + product(change.noise_sigma, noise_at(change, value));
        }
      }
    }
    VOX_UNROLL
    for (int first = 0; first < kLanes; first += kWide<T>) {
      Acc<T> piece[kWide<T>];
      VOX_UNROLL
      for (int i = 0; i < kWide<T>; ++i) { piece[i] = x[first + i]; }
      store_wide(out_images + to * kLanes + first, piece);
    }
  }
}

/// What happens to channels [8 * block, ...) of sample n.
template <class T> [[nodiscard]] BlockChange change_of(const AugmentArgs<T>& a, std::int64_t n, std::int64_t block) {
  const Augmentation drawn = a.drawn.empty() ? Augmentation{} : a.drawn[static_cast<std::size_t>(n)];
  BlockChange change{.size = {a.shape.d, a.shape.h, a.shape.w},
                     .movement = drawn.movement,
                     .channels = static_cast<int>(a.shape.channels_in(block)),
                     .intensity = {},
                     .noise_sigma = drawn.noise_sigma,
                     .noise_group = drawn.noise_group,
                     .first_value = static_cast<std::uint64_t>(block * kBlock8 * a.shape.voxels()),
                     .noise = philox_keys(drawn.noise)};
  if (!drawn.intensity.empty()) {
    for (int c = 0; c < change.channels; ++c) {
      change.intensity[c] = drawn.intensity[static_cast<std::size_t>(block * kBlock8 + c)];
    }
  }
  return change;
}

}  // namespace gpu

template <class T> void augment_samples(GpuQueue& q, const AugmentArgs<T>& a) {
  const VolumeShape& s = a.shape;
  if (s.voxels() == 0) { return; }
  const unsigned grid = gpu::blocks_for(s.d * s.h, gpu::kAugmentThreads / gpu::kRowThreads);
  for (std::int64_t n = 0; n < s.n; ++n) {
    for (std::int64_t block = 0; block < s.blocks(); ++block) {
      VOX_LAUNCH(q, (gpu::augment_kernel<T>), grid, gpu::kAugmentThreads, 0,
                 a.images.data() + (n * s.c + block * kBlock8) * s.voxels(), a.labels.data() + n * s.voxels(),
                 a.out_images.data() + s.offset(n, block, 0),
                 block == 0 ? a.out_labels.data() + n * s.voxels() : nullptr, gpu::change_of(a, n, block));
    }
  }
}

VOX_INSTANTIATE(GpuQueue, augment_samples, AugmentArgs);

}  // namespace vox
