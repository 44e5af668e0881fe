#include "kernels/batch_norm.h"

#include <cmath>

#include "kernels/cuda/reduce.cuh"
#include "kernels/dropout.h"

namespace vox {
namespace gpu {

inline constexpr int kNormLanes = static_cast<int>(kBlock8);

template <class A> __device__ __forceinline__ A inverse_deviation(A variance, double eps) {
  return static_cast<A>(1 / std::sqrt(static_cast<double>(variance) + eps));
}

/// [C] each; the last two of the forward or of the backward pass.
template <class A> struct BatchNormVectors {
  const A* mean;
  const A* variance;
  const A* gamma;
  const A* beta;
  const A* dgamma;
  const A* dbeta;
};

/// An Activation, ready for use.
template <class A> struct BatchNormActivation {
  RandomKey key;
  bool relu;
  bool drops;
  std::uint32_t largest_dropped;
  A scale;

  /// v where normalised passes, 0 elsewhere, for W elements from number `first` of the tensor on, a multiple of W. Of
  /// the normalised values themselves: the activation. Of dy: its gradient.
  template <int W>
  __device__ __forceinline__ void apply(std::int64_t first, const A (&normalised)[W], A (&v)[W]) const {
    if (!relu) { return; }
    VOX_UNROLL
    for (int j = 0; j < W; ++j) { v[j] = normalised[j] <= 0 ? A{0} : v[j]; }  // NaN passes
    if (!drops) { return; }
    constexpr int kNumbers = 4;  // of one Philox call
    constexpr int kCalls = (W + kNumbers - 1) / kNumbers;
    VOX_UNROLL
    for (int call = 0; call < kCalls; ++call) {
      const Philox4 random = random4(key, static_cast<std::uint64_t>(first / kNumbers + call));
      VOX_UNROLL
      for (int k = 0; k < kNumbers && call * kNumbers + k < W; ++k) {
        const int j = call * kNumbers + k;
        const bool second_half = W < kNumbers && first % kNumbers != 0;  // two doubles are half a call
        v[j] = (second_half ? random.v[(k + W) % kNumbers] : random.v[k]) > largest_dropped ? v[j] * scale : A{0};
      }
    }
  }
};

/// y = activation((x - mean) * slope + beta): one block per chunk, 16 bytes per thread and turn; eight threads work out
/// the slopes.
template <class T>
__global__ void batch_norm_apply_kernel(const T* x, BatchNormVectors<Acc<T>> of, double eps,
                                        BatchNormActivation<Acc<T>> activation, T* y, ChunkGrid grid, int channels) {
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  VOX_SHARED(A, mean, [kNormLanes]);
  VOX_SHARED(A, slope, [kNormLanes]);
  VOX_SHARED(A, beta, [kNormLanes]);
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  if (t < kNormLanes) {
    const bool present = t < channels_in(channels, chunk.block);
    const int c = static_cast<int>(chunk.block) * kNormLanes + t;
    mean[t] = present ? of.mean[c] : A{0};
    slope[t] = present ? of.gamma[c] * inverse_deviation(of.variance[c], eps) : A{0};
    beta[t] = present ? of.beta[c] : A{0};
  }
  __syncthreads();
  const int lane = t * kLane % kNormLanes;
  for (int i = t; i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
    Pack<T, kLane> v = load_pack<kLane>(x + chunk.at + i * kLane);
    A normalised[kLane];
    A passed[kLane];
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) {
      normalised[j] = (load(v.v[j]) - mean[lane + j]) * slope[lane + j] + beta[lane + j];
      passed[j] = normalised[j];
    }
    activation.apply(chunk.at + i * kLane, normalised, passed);
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) { v.v[j] = store<T>(passed[j]); }
    store_pack(y + chunk.at + i * kLane, v);
  }
}

/// Sums of dn, the gradient behind the activation, and of dn * (x - mean) over a chunk, lane by lane: one block per
/// chunk.
template <class T>
__global__ void batch_norm_gradient_chunks_kernel(const T* x, const T* dy, BatchNormVectors<Acc<T>> of, double eps,
                                                  BatchNormActivation<Acc<T>> activation, double* partials,
                                                  ChunkGrid grid, int channels) {
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  const int lane = t * kLane % kNormLanes;
  const int present = channels_in(channels, chunk.block);
  A mean[kLane];
  A slope[kLane]{};
  A beta[kLane]{};
  VOX_UNROLL
  for (int j = 0; j < kLane; ++j) {
    const int c = static_cast<int>(chunk.block) * kNormLanes + lane + j;
    mean[j] = lane + j < present ? of.mean[c] : A{0};
    if (activation.relu && lane + j < present) {
      slope[j] = of.gamma[c] * inverse_deviation(of.variance[c], eps);
      beta[j] = of.beta[c];
    }
  }
  A sums[2][kLane]{};
  for (int i = t; i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
    const Pack<T, kLane> vx = load_pack<kLane>(x + chunk.at + i * kLane);
    const Pack<T, kLane> vy = load_pack<kLane>(dy + chunk.at + i * kLane);
    A centred[kLane];
    A normalised[kLane];
    A dn[kLane];
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) {
      centred[j] = load(vx.v[j]) - mean[j];
      normalised[j] = centred[j] * slope[j] + beta[j];
      dn[j] = load(vy.v[j]);
    }
    activation.apply(chunk.at + i * kLane, normalised, dn);
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) {
      sums[0][j] += dn[j];
      sums[1][j] += dn[j] * centred[j];
    }
  }
  const double total = lane_sums(sums);
  if (t < 2 * kNormLanes) { partials[static_cast<std::int64_t>(blockIdx.x) * 2 * kNormLanes + t] = total; }
}

/// dbeta and dgamma from the chunks' sums: one block per block of channels.
template <class A>
__global__ void batch_norm_parameters_kernel(const double* partials, const A* variance, double eps, A* dgamma, A* dbeta,
                                             ChunkGrid grid, unsigned cases, int channels) {
  double sum[2] = {0, 0};
  over_partials<2>({.of_chunks = partials, .grid = grid, .block = blockIdx.x, .first_case = 0, .cases = cases},
                   [&](const double* chunk, std::int64_t) {
                     sum[0] += chunk[0];
                     sum[1] += chunk[kNormLanes];
                   });
  sum_over_lane_threads(sum);
  const int lane = static_cast<int>(threadIdx.x);
  if (lane >= channels_in(channels, blockIdx.x)) { return; }
  const unsigned channel = blockIdx.x * kNormLanes + threadIdx.x;
  dbeta[channel] = static_cast<A>(sum[0]);
  dgamma[channel] = static_cast<A>(sum[1]) * inverse_deviation(variance[channel], eps);
}

/// dx = slope * (dn - offset - (x - mean) * pull): one block per chunk, 16 bytes per thread and turn; eight threads
/// work out the factors.
template <class T>
__global__ void batch_norm_backward_kernel(const T* x, const T* dy, BatchNormVectors<Acc<T>> of, double eps,
                                           BatchNormActivation<Acc<T>> activation, Acc<T> per_value, T* dx,
                                           ChunkGrid grid, int channels) {
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  VOX_SHARED(A, mean, [kNormLanes]);
  VOX_SHARED(A, slope, [kNormLanes]);
  VOX_SHARED(A, beta, [kNormLanes]);
  VOX_SHARED(A, offset, [kNormLanes]);
  VOX_SHARED(A, pull, [kNormLanes]);
  const Chunk chunk = this_chunk(grid);
  const int t = static_cast<int>(threadIdx.x);
  if (t < kNormLanes) {
    const bool present = t < channels_in(channels, chunk.block);
    const int c = static_cast<int>(chunk.block) * kNormLanes + t;
    const A inverse = present ? inverse_deviation(of.variance[c], eps) : A{0};
    mean[t] = present ? of.mean[c] : A{0};
    slope[t] = present ? of.gamma[c] * inverse : A{0};
    beta[t] = present && activation.relu ? of.beta[c] : A{0};
    offset[t] = present ? of.dbeta[c] * per_value : A{0};
    pull[t] = present ? of.dgamma[c] * per_value * inverse : A{0};
  }
  __syncthreads();
  const int lane = t * kLane % kNormLanes;
  for (int i = t; i < chunk.voxels * kPieces<T>; i += kChunkThreads) {
    const Pack<T, kLane> vx = load_pack<kLane>(x + chunk.at + i * kLane);
    Pack<T, kLane> v = load_pack<kLane>(dy + chunk.at + i * kLane);
    A centred[kLane];
    A normalised[kLane];
    A dn[kLane];
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) {
      centred[j] = load(vx.v[j]) - mean[lane + j];
      normalised[j] = centred[j] * slope[lane + j] + beta[lane + j];
      dn[j] = load(v.v[j]);
    }
    activation.apply(chunk.at + i * kLane, normalised, dn);
    VOX_UNROLL
    for (int j = 0; j < kLane; ++j) {
      const int l = lane + j;
      v.v[j] = store<T>(slope[l] * (dn[j] - offset[l] - centred[j] * pull[l]));
    }
    store_pack(dx + chunk.at + i * kLane, v);
  }
}

template <class A> [[nodiscard]] BatchNormActivation<A> ready(const Activation& a) {
  const bool drops = a.kind == Activation::Kind::relu_dropout;
  return {.key = a.key,
          .relu = a.kind != Activation::Kind::none,
          .drops = drops,
          .largest_dropped = drops ? largest_dropped_number(a.p) : 0,
          .scale = static_cast<A>(1 / (1 - a.p))};
}

/// One block of threads per output channel.
template <class A>
__global__ void batch_norm_fold_kernel(const A* weight, BatchNormVectors<A> of, double eps, A* folded, A* bias,
                                       std::int64_t row) {
  const unsigned c = blockIdx.x;
  const A slope = of.gamma[c] * inverse_deviation(of.variance[c], eps);
  for (std::int64_t i = threadIdx.x; i < row; i += blockDim.x) { folded[c * row + i] = weight[c * row + i] * slope; }
  if (threadIdx.x == 0) { bias[c] = of.beta[c] - of.mean[c] * slope; }
}

}  // namespace gpu

template <class T> void batch_norm_forward(GpuQueue& q, const BatchNormArgs<T>& a) {
  const gpu::ChunkGrid grid = gpu::block_grid(a.shape);
  const gpu::BatchNormVectors<Acc<T>> of{.mean = a.mean.data(),
                                         .variance = a.variance.data(),
                                         .gamma = a.gamma.data(),
                                         .beta = a.beta.data(),
                                         .dgamma = nullptr,
                                         .dbeta = nullptr};
  VOX_LAUNCH(q, (gpu::batch_norm_apply_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), of, a.eps,
             gpu::ready<Acc<T>>(a.activation), a.y.data(), grid, static_cast<int>(a.shape.c));
}

template <class T> void batch_norm_backward(GpuQueue& q, const BatchNormGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::ChunkGrid grid = gpu::block_grid(s);
  const auto channels = static_cast<int>(s.c);
  const auto activation = gpu::ready<Acc<T>>(a.activation);
  const gpu::BatchNormVectors<Acc<T>> of{.mean = a.mean.data(),
                                         .variance = a.variance.data(),
                                         .gamma = a.gamma.data(),
                                         .beta = a.beta.data(),
                                         .dgamma = a.dgamma.data(),
                                         .dbeta = a.dbeta.data()};
  VOX_LAUNCH(q, (gpu::batch_norm_gradient_chunks_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.dy.data(),
             of, a.eps, activation, a.partials.data(), grid, channels);
  VOX_LAUNCH(q, (gpu::batch_norm_parameters_kernel<Acc<T>>), grid.blocks, gpu::fold_threads(s.n * grid.per_row), 0,
             a.partials.data(), a.variance.data(), a.eps, a.dgamma.data(), a.dbeta.data(), grid,
             static_cast<unsigned>(s.n), channels);
  if (a.dx.empty()) { return; }
  const auto per_value =
      static_cast<Acc<T>>(a.statistics == Statistics::constant ? 0.0 : 1.0 / static_cast<double>(s.n * s.voxels()));
  VOX_LAUNCH(q, (gpu::batch_norm_backward_kernel<T>), grid.count, gpu::kChunkThreads, 0, a.x.data(), a.dy.data(), of,
             a.eps, activation, per_value, a.dx.data(), grid, channels);
}

template <class T> void batch_norm_fold(GpuQueue& q, const BatchNormFoldArgs<T>& a) {
  const std::int64_t channels = std::ssize(a.bias);
  if (channels == 0) { return; }
  const gpu::BatchNormVectors<Acc<T>> of{.mean = a.mean.data(),
                                         .variance = a.variance.data(),
                                         .gamma = a.gamma.data(),
                                         .beta = a.beta.data(),
                                         .dgamma = nullptr,
                                         .dbeta = nullptr};
  VOX_LAUNCH(q, (gpu::batch_norm_fold_kernel<Acc<T>>), static_cast<unsigned>(channels), gpu::kChunkThreads, 0,
             a.weight.data(), of, a.eps, a.folded.data(), a.bias.data(), std::ssize(a.weight) / channels);
}

VOX_INSTANTIATE(GpuQueue, batch_norm_forward, BatchNormArgs);
VOX_INSTANTIATE(GpuQueue, batch_norm_backward, BatchNormGradArgs);
VOX_INSTANTIATE(GpuQueue, batch_norm_fold, BatchNormFoldArgs);

}  // namespace vox
