#pragma once

#include "kernels/cuda/conv3d/march_moments.cuh"

/// The sums of batch norm's gradient that a march on tensor cores takes of the gradient it writes, BatchNormGradSums:
/// its voxels are one box. What a lane adds up and keeps is as in march_moments.cuh; sums are f32, over at most 2048
/// values of a warp.
namespace vox::gpu {

/// By output channel of the thread block: what comes before the activation is x * slope + shift.
template <class Tile> struct GradientFactors {
  float slope[Tile::kWarpsN * 16];
  float shift[Tile::kWarpsN * 16];
  float mean[Tile::kWarpsN * 16];
  std::uint32_t step;  ///< whose mask is meant
};
template <class Tile> __device__ __forceinline__ GradientFactors<Tile>& gradient_factors() {
  VOX_SHARED(GradientFactors<Tile>, factors, [1]);
  return factors[0];
}

/// Works them out, by a thread for each channel; a barrier follows.
template <class Tile> __device__ __forceinline__ void begin_gradient(const MarchArgs<Bf16>& a, const MarchPlace& at) {
  const int t = static_cast<int>(threadIdx.x);
  if (t >= Tile::kWarpsN * 16) { return; }
  const BatchNormGradTaken<Bf16>& g = a.gradient;
  const int c = at.group * (Tile::kWarpsN * 16) + t;
  const bool present = c < a.out_channels;
  GradientFactors<Tile>& factors = gradient_factors<Tile>();
  if (t == 0) { factors.step = g.activation.keys.step_now(); }
  const BatchNormVectors<float> of = g.of.of_case(static_cast<unsigned>(at.n));
  factors.slope[t] = norm_slope(of, c, g.eps, g.activation.scale, present);
  factors.shift[t] = norm_shift(of, c, g.activation.scale, factors.slope[t], present);
  factors.mean[t] = present ? of.mean[c] : 0.0F;
}

/// What is there of eight rows in the lane's two channels, and dropout lets pass: all of the first `rows` at first.
struct RowsKept {
  std::uint32_t of[2];  ///< of the even rows and of the odd ones: bit 4*(row/2) + channel

  explicit __device__ __forceinline__ RowsKept(int rows)
      : of{(1U << static_cast<unsigned>(min(max(rows, 0) + 1, 8) / 2 * 4)) - 1,
           (1U << static_cast<unsigned>(min(max(rows, 0), 8) / 2 * 4)) - 1} {}

  [[nodiscard]] __device__ __forceinline__ bool passes(int row, int channel) const {
    return (of[row % 2] >> static_cast<unsigned>(row / 2 * 4 + channel) & 1U) != 0;
  }
};
/// `group`: the number of the four channels of the first row among all such fours, `apart`: from there to the next
/// row's. Of the two neighbouring lanes that have them one draws for the even rows and one for the odd ones. All lanes
/// call.
__device__ __forceinline__ void draw_rows(const BatchNormActivation<float>& activation, std::uint32_t step,
                                          std::uint64_t group, std::uint64_t apart, RowsKept& kept) {
  const bool odd = threadIdx.x % 2 != 0;
  if (odd) { group += apart; }
  std::uint32_t mine = 0;
  VOX_NO_UNROLL
  for (unsigned pair = 0; pair < 4; ++pair) {
    const Philox4 random = activation.keys.random4(group, step);
    VOX_UNROLL
    for (unsigned k = 0; k < 4; ++k) { mine |= (random.v[k] > activation.largest_dropped ? 1U : 0U) << (4 * pair + k); }
    group += 2 * apart;
  }
  const std::uint32_t other = __shfl_xor_sync(kWholeWarp, mine, 1);
  const unsigned first = odd ? 2 : 0;  // of the lane's channels among the four
  kept.of[0] &= (odd ? other : mine) >> first;
  kept.of[1] &= (odd ? mine : other) >> first;
}

/// kept(row, channel): is it there, and not dropped? LEAKS: leaky_relu, without dropout.
/// Adds a row's to [channel][2] of sums: g, two channels of the gradient behind the activation, and g * (x - mean).
template <bool LEAKS, class Kept>
__device__ __forceinline__ void add_gradient(const BatchNormActivation<float>& activation, std::uint32_t pair,
                                             std::uint32_t x_pair, const Kept& kept, int row,
                                             const Pack<float, 2>& slope, const Pack<float, 2>& shift,
                                             const Pack<float, 2>& mean, float* sums) {
  const float values[2] = {std::bit_cast<float>(pair << 16U), std::bit_cast<float>(pair & 0xFFFF0000U)};
  const float x[2] = {std::bit_cast<float>(x_pair << 16U), std::bit_cast<float>(x_pair & 0xFFFF0000U)};
  VOX_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float normalised = x[i] * slope.v[i] + shift.v[i];
    const bool passes = LEAKS || !(normalised <= 0);  // NaN passes
    float g = passes && kept(row, i) ? values[i] : 0.0F;
    if constexpr (LEAKS) { g = activation.one_sided(normalised, g); }
    sums[2 * i] += g;
    sums[2 * i + 1] += g * (x[i] - mean.v[i]);
  }
}

/// Writes the box's sums: a thread for each output channel and sum, from what every lane has added up. lane_of and
/// `shared` as for write_moments().
template <class Tile, class LaneOf>
__device__ __forceinline__ void write_gradient(const MarchArgs<Bf16>& a, const MarchWarp<Bf16>* warps, float* shared,
                                               float sum, const LaneOf& lane_of) {
  constexpr int kWarps = Tile::kWarpsW * Tile::kWarpsH;  // that have the same channels
  __syncthreads();
  shared[threadIdx.x] = sum;
  __syncthreads();
  const int c = static_cast<int>(threadIdx.x) % 16;
  const int k = static_cast<int>(threadIdx.x) / 16 % 2;
  const int first = static_cast<int>(threadIdx.x) / 32 * kWarps;
  if (first >= kWarps * Tile::kWarpsN) { return; }
  const int block = warps[first].channel / 8 + c / 8;
  if (block >= a.out_blocks) { return; }
  double total = 0;
  VOX_UNROLL
  for (int warp = first; warp < first + kWarps; ++warp) {
    total += static_cast<double>(shared[warp * kWarp + lane_of(c, k)]);
  }
  const std::int64_t boxes = gridDim.x / a.groups;
  a.gradient.sums[((block * 2 + k) * kBlock8 + c % 8) * boxes + blockIdx.x / a.groups] =
      total * static_cast<double>(a.gradient.activation.scale);
}

}  // namespace vox::gpu
