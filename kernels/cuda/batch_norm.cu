#include "kernels/cuda/batch_norm.cuh"

#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/run.cuh"

namespace vox {
namespace gpu {

/// The step whose mask is meant: read once, where there is one.
template <Activation::Kind Kind, class A>
__device__ __forceinline__ std::uint32_t step_of(const BatchNormActivation<A>& activation) {
  return Kind == Activation::Kind::relu_dropout ? activation.keys.step_now() : 0;
}

/// passes[j]: is it not made 0? Of W elements from number `first` of the tensor on, a multiple of W.
template <Activation::Kind Kind, int W, class A>
__device__ __forceinline__ void activate(const BatchNormActivation<A>& activation, std::uint32_t step,
                                         std::int64_t first, const A (&normalised)[W], bool (&passes)[W]) {
  VOX_UNROLL
  for (int j = 0; j < W; ++j) { passes[j] = Kind == Activation::Kind::none || !(normalised[j] <= 0); }  // NaN passes
  if constexpr (Kind == Activation::Kind::relu_dropout) {
    constexpr int kNumbers = 4;  // of one Philox call
    const auto group = static_cast<std::uint64_t>(first) / kNumbers;
    VOX_UNROLL
    for (int call = 0; call * kNumbers < W; ++call) {
      const Philox4 random = activation.keys.random4(group | static_cast<unsigned>(call), step);  // W is a power of 2
      VOX_UNROLL
      for (int k = 0; k < kNumbers && call * kNumbers + k < W; ++k) {
        const bool second_half = W < kNumbers && first % kNumbers != 0;  // two doubles are half a call
        const std::uint32_t number = second_half ? random.v[(k + W) % kNumbers] : random.v[k];
        passes[call * kNumbers + k] = passes[call * kNumbers + k] && number > activation.largest_dropped;
      }
    }
  }
}

/// y = activation(x * slope + shift): one block per run; eight threads work out the factors.
template <class T, Activation::Kind Kind>
__global__ void __launch_bounds__(kChunkThreads, 4)
    batch_norm_apply_kernel(const T* x, BatchNormVectors<Acc<T>> of, double eps, BatchNormActivation<Acc<T>> activation,
                            T* y, RunGrid grid, int channels) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  using A = Acc<T>;
  VOX_SHARED(A, slopes, [kLanes8]);
  VOX_SHARED(A, shifts, [kLanes8]);
  const Run run = this_run(grid);
  const int t = static_cast<int>(threadIdx.x);
  const std::uint32_t step = step_of<Kind>(activation);
  const T* const from[1] = {x + run.at};
  A slope[kLane];
  A shift[kLane];
  over_pieces<4, Order::forwards>(
      from, run.voxels * kPieces<T>,
      [&] {
        if (t < kLanes8) {
          const bool present = t < channels_in(channels, run.block);
          const int c = static_cast<int>(run.block) * kLanes8 + t;
          slopes[t] = norm_slope(of, c, eps, activation.scale, present);
          shifts[t] = norm_shift(of, c, activation.scale, slopes[t], present);
        }
        __syncthreads();
        take_lanes(slopes, slope);
        take_lanes(shifts, shift);
      },
      [&]<int Turns>(int i, const Tile<T, 1, Turns>& tile) {
        VOX_UNROLL
        for (int turn = 0; turn < Turns; ++turn) {
          const std::int64_t first = run.at + (i + turn * kChunkThreads) * kLane;
          A v[kLane];
          bool passes[kLane];
          unpack<T>(tile.of[0][turn], v);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { v[j] = v[j] * slope[j] + shift[j]; }
          activate<Kind>(activation, step, first, v, passes);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { v[j] = passes[j] ? v[j] : A{0}; }
          store_wide(y + first, v);
        }
      });
}

/// Sums of dn, the gradient behind the activation, and of dn * (x - mean) over a run, lane by lane: one block per run.
template <class T, Activation::Kind Kind>
__global__ void __launch_bounds__(kChunkThreads, 4)
    batch_norm_gradient_runs_kernel(const T* x, const T* dy, BatchNormVectors<Acc<T>> of, double eps,
                                    BatchNormActivation<Acc<T>> activation, double* partials, RunGrid grid,
                                    int channels) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  constexpr bool kMasks = Kind != Activation::Kind::none;
  using A = Acc<T>;
  VOX_SHARED(A, means, [kLanes8]);
  VOX_SHARED(A, slopes, [kLanes8]);
  VOX_SHARED(A, shifts, [kLanes8]);
  const Run run = this_run_backwards(grid);
  const int t = static_cast<int>(threadIdx.x);
  const std::uint32_t step = step_of<Kind>(activation);
  const T* const from[2] = {x + run.at, dy + run.at};
  A mean[kLane];
  A slope[kLane]{};
  A shift[kLane]{};
  A sums[2][kLane]{};
  over_pieces<2, Order::backwards>(
      from, run.voxels * kPieces<T>,
      [&] {
        if (t < kLanes8) {
          const bool present = t < channels_in(channels, run.block);
          const int c = static_cast<int>(run.block) * kLanes8 + t;
          means[t] = present ? of.mean[c] : A{0};
          if constexpr (kMasks) {
            slopes[t] = norm_slope(of, c, eps, activation.scale, present);
            shifts[t] = norm_shift(of, c, activation.scale, slopes[t], present);
          }
        }
        __syncthreads();
        take_lanes(means, mean);
        if constexpr (kMasks) {
          take_lanes(slopes, slope);
          take_lanes(shifts, shift);
        }
      },
      [&]<int Turns>(int i, const Tile<T, 2, Turns>& tile) {
        VOX_UNROLL
        for (int turn = 0; turn < Turns; ++turn) {
          A v[kLane];
          A dn[kLane];
          A normalised[kLane];
          bool passes[kLane];
          unpack<T>(tile.of[0][turn], v);
          unpack<T>(tile.of[1][turn], dn);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { normalised[j] = v[j] * slope[j] + shift[j]; }
          activate<Kind>(activation, step, run.at + (i + turn * kChunkThreads) * kLane, normalised, passes);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) {
            const A passed = passes[j] ? dn[j] : A{0};
            sums[0][j] += passed;
            sums[1][j] += passed * (v[j] - mean[j]);
          }
        }
      });
  const double total = lane_sums(sums) * static_cast<double>(activation.scale);
  if (t < 2 * kLanes8) { partials[partial_at(grid, run, 2 * kLanes8, t)] = total; }
}

/// dbeta and dgamma from the sums of a channel's runs, or of a convolution's boxes: one block per channel.
template <class A>
__global__ void batch_norm_parameters_kernel(const double* partials, const A* variance, double eps, A* dgamma, A* dbeta,
                                             unsigned of_channel) {
  wait_for_launches_before();
  const unsigned channel = blockIdx.x;
  const double* const sums = partials_of(of_channel, partials, channel, 2, 0);
  const double* const products = partials_of(of_channel, partials, channel, 2, 1);
  const A inverse = inverse_deviation(variance[channel], eps);
  double sum[2] = {0, 0};
  VOX_UNROLL
  for (unsigned i = threadIdx.x; i < of_channel; i += kChunkThreads) {
    sum[0] += sums[i];
    sum[1] += products[i];
  }
  block_sum(sum);
  if (threadIdx.x != 0) { return; }
  dbeta[channel] = static_cast<A>(sum[0]);
  dgamma[channel] = static_cast<A>(sum[1]) * inverse;
}

/// dx = slope * (dn - offset - (x - mean) * pull), with the factors of x and those of neither put together: one block
/// per run; eight threads work out the factors.
template <class T, Activation::Kind Kind>
__global__ void __launch_bounds__(kChunkThreads, 4)
    batch_norm_backward_kernel(const T* x, const T* dy, BatchNormVectors<Acc<T>> of, double eps,
                               BatchNormActivation<Acc<T>> activation, Acc<T> per_value, T* dx, RunGrid grid,
                               int channels) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  constexpr bool kMasks = Kind != Activation::Kind::none;
  using A = Acc<T>;
  VOX_SHARED(A, slopes, [kLanes8]);
  VOX_SHARED(A, shifts, [kLanes8]);
  VOX_SHARED(A, pulls, [kLanes8]);
  VOX_SHARED(A, offsets, [kLanes8]);
  const Run run = this_run(grid);
  const int t = static_cast<int>(threadIdx.x);
  const std::uint32_t step = step_of<Kind>(activation);
  const T* const from[2] = {x + run.at, dy + run.at};
  A slope[kLane];
  A shift[kLane]{};
  A pull[kLane];
  A offset[kLane];
  over_pieces<2, Order::forwards>(
      from, run.voxels * kPieces<T>,
      [&] {
        if (t < kLanes8) {
          const bool present = t < channels_in(channels, run.block);
          const int c = static_cast<int>(run.block) * kLanes8 + t;
          const A inverse = present ? inverse_deviation(of.variance[c], eps) : A{0};
          const A mean = present ? of.mean[c] : A{0};
          const A factor = present ? of.gamma[c] * inverse : A{0};
          const A of_x = present ? -factor * (of.dgamma[c] * per_value * inverse) : A{0};
          slopes[t] = norm_slope(of, c, eps, activation.scale, present);
          if constexpr (kMasks) { shifts[t] = norm_shift(of, c, activation.scale, slopes[t], present); }
          pulls[t] = of_x;
          offsets[t] = present ? -factor * (of.dbeta[c] * per_value) - mean * of_x : A{0};
        }
        __syncthreads();
        take_lanes(slopes, slope);
        if constexpr (kMasks) { take_lanes(shifts, shift); }
        take_lanes(pulls, pull);
        take_lanes(offsets, offset);
      },
      [&]<int Turns>(int i, const Tile<T, 2, Turns>& tile) {
        VOX_UNROLL
        for (int turn = 0; turn < Turns; ++turn) {
          const std::int64_t first = run.at + (i + turn * kChunkThreads) * kLane;
          A v[kLane];
          A dn[kLane];
          A normalised[kLane];
          bool passes[kLane];
          unpack<T>(tile.of[0][turn], v);
          unpack<T>(tile.of[1][turn], dn);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { normalised[j] = v[j] * slope[j] + shift[j]; }
          activate<Kind>(activation, step, first, normalised, passes);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) {
            v[j] = v[j] * pull[j] + offset[j];
            v[j] = passes[j] ? dn[j] * slope[j] + v[j] : v[j];
          }
          store_wide(dx + first, v);
        }
      });
}

/// Calls body.operator()<Kind>() for a kind that the compiler knows.
template <class Body> void with_kind(Activation::Kind kind, const Body& body) {
  using enum Activation::Kind;
  switch (kind) {
    case none:
      return body.template operator()<none>();
    case relu:
      return body.template operator()<relu>();
    case relu_dropout:
      return body.template operator()<relu_dropout>();
  }
}

/// One block of threads per output channel.
template <class A>
__global__ void batch_norm_fold_kernel(const A* weight, BatchNormVectors<A> of, double eps, A* folded, A* bias,
                                       std::int64_t row) {
  wait_for_launches_before();
  const unsigned c = blockIdx.x;
  const A slope = of.gamma[c] * inverse_deviation(of.variance[c], eps);
  for (std::int64_t i = threadIdx.x; i < row; i += blockDim.x) { folded[c * row + i] = weight[c * row + i] * slope; }
  if (threadIdx.x == 0) { bias[c] = of.beta[c] - of.mean[c] * slope; }
}

}  // namespace gpu

template <class T> void batch_norm_forward(GpuQueue& q, const BatchNormArgs<T>& a) {
  const gpu::RunGrid grid = gpu::run_grid(a.shape);
  const gpu::BatchNormVectors<Acc<T>> of{.mean = a.mean.data(),
                                         .variance = a.variance.data(),
                                         .gamma = a.gamma.data(),
                                         .beta = a.beta.data(),
                                         .dgamma = nullptr,
                                         .dbeta = nullptr};
  gpu::with_kind(a.activation.kind, [&]<Activation::Kind Kind>() {
    VOX_LAUNCH(q, (gpu::batch_norm_apply_kernel<T, Kind>), grid.count, gpu::kChunkThreads, 0, a.x.data(), of, a.eps,
               gpu::ready<Acc<T>>(a.activation), a.y.data(), grid, static_cast<int>(a.shape.c));
  });
}

template <class T> void batch_norm_backward(GpuQueue& q, const BatchNormGradArgs<T>& a) {
  const VolumeShape& s = a.shape;
  const gpu::RunGrid grid = gpu::run_grid(s);
  const auto channels = static_cast<int>(s.c);
  const auto activation = gpu::ready<Acc<T>>(a.activation);
  const gpu::BatchNormVectors<Acc<T>> of{.mean = a.mean.data(),
                                         .variance = a.variance.data(),
                                         .gamma = a.gamma.data(),
                                         .beta = a.beta.data(),
                                         .dgamma = a.dgamma.data(),
                                         .dbeta = a.dbeta.data()};
  const auto per_value =
      static_cast<Acc<T>>(a.statistics == Statistics::constant ? 0.0 : 1.0 / static_cast<double>(s.n * s.voxels()));
  const std::int64_t boxes = std::ssize(a.boxes) / (batch_norm_boxes(s, 1));
  const double* const partials = boxes > 0 ? a.boxes.data() : a.partials.data();
  const unsigned of_channel = boxes > 0 ? static_cast<unsigned>(boxes) : grid.of_channel;
  gpu::with_kind(a.activation.kind, [&]<Activation::Kind Kind>() {
    if (boxes == 0) {
      VOX_LAUNCH(q, (gpu::batch_norm_gradient_runs_kernel<T, Kind>), grid.count, gpu::kChunkThreads, 0, a.x.data(),
                 a.dy.data(), of, a.eps, activation, a.partials.data(), grid, channels);
    }
    VOX_LAUNCH(q, (gpu::batch_norm_parameters_kernel<Acc<T>>), static_cast<unsigned>(channels), gpu::kChunkThreads, 0,
               partials, a.variance.data(), a.eps, a.dgamma.data(), a.dbeta.data(), of_channel);
    if (a.dx.empty()) { return; }
    VOX_LAUNCH(q, (gpu::batch_norm_backward_kernel<T, Kind>), grid.count, gpu::kChunkThreads, 0, a.x.data(),
               a.dy.data(), of, a.eps, activation, per_value, a.dx.data(), grid, channels);
  });
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
