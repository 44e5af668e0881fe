#include "kernels/cuda/batch_norm.cuh"

#include "kernels/batch_norm_fold.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/run.cuh"

namespace vox {
namespace gpu {

/// The step whose mask is meant: read once, where there is one.
template <Activation::Kind Kind, class A>
__device__ __forceinline__ std::uint32_t step_of(const BatchNormActivation<A>& activation) {
  return drops(Kind) ? activation.keys.step_now() : 0;
}

/// passes[j]: is it not made 0? What leaks, by of_side() after this. Of W elements from number `first` of the tensor
/// on, a multiple of W.
template <Activation::Kind Kind, int W, class A>
__device__ __forceinline__ void activate(const BatchNormActivation<A>& activation, std::uint32_t step,
                                         std::int64_t first, const A (&normalised)[W], bool (&passes)[W]) {
  VOX_UNROLL
  for (int j = 0; j < W; ++j) {
    passes[j] = Kind == Activation::Kind::none || leaks(Kind) || !(normalised[j] <= 0);  // NaN passes
  }
  if constexpr (drops(Kind)) {
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

/// Of a value that passes: leaky_relu's share of it, the whole for the others.
template <Activation::Kind Kind, class A>
__device__ __forceinline__ A of_side(const BatchNormActivation<A>& activation, A normalised, A value) {
  return leaks(Kind) ? activation.one_sided(normalised, value) : value;
}

/// y = activation(x * slope + shift): one block per run; eight threads work out the factors. Without an activation x
/// may be anything, an image say: then it is (x - mean) * slope + beta, and a large mean costs no precision.
template <class T, Activation::Kind Kind>
__global__ void __launch_bounds__(kChunkThreads, 4)
    batch_norm_apply_kernel(const T* x, BatchNormVectors<Acc<T>> of, double eps, BatchNormActivation<Acc<T>> activation,
                            T* y, RunGrid grid, int channels) {
  wait_for_launches_before();
  constexpr int kLane = kWide<T>;
  constexpr bool kCentres = Kind == Activation::Kind::none;
  using A = Acc<T>;
  VOX_SHARED(A, means, [kLanes8]);
  VOX_SHARED(A, slopes, [kLanes8]);
  VOX_SHARED(A, shifts, [kLanes8]);
  const Run run = this_run(grid);
  const int t = static_cast<int>(threadIdx.x);
  const std::uint32_t step = step_of<Kind>(activation);
  const T* const from[1] = {x + run.at};
  A mean[kLane]{};
  A slope[kLane];
  A shift[kLane];
  over_pieces<4, Order::forwards>(
      from, run.voxels * kPieces<T>,
      [&] {
        if (t < kLanes8) {
          const bool present = t < channels_in(channels, run.block);
          const int c = static_cast<int>(run.block) * kLanes8 + t;
          const BatchNormVectors<A> mine = of.of_case(run.n);
          slopes[t] = norm_slope(mine, c, eps, activation.scale, present);
          if constexpr (kCentres) {
            means[t] = present ? mine.mean[c] : A{0};
            shifts[t] = present ? mine.beta[c] : A{0};
          } else {
            shifts[t] = norm_shift(mine, c, activation.scale, slopes[t], present);
          }
        }
        __syncthreads();
        if constexpr (kCentres) { take_lanes(means, mean); }
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
          for (int j = 0; j < kLane; ++j) { v[j] = (kCentres ? v[j] - mean[j] : v[j]) * slope[j] + shift[j]; }
          activate<Kind>(activation, step, first, v, passes);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { v[j] = passes[j] ? of_side<Kind>(activation, v[j], v[j]) : A{0}; }
          store_wide(y + first, v);
        }
      });
}

/// Sums of dn, the gradient behind the activation, and of dn * (x - mean) over a run, lane by lane: one block per run.
/// What leaks wants more registers than four blocks of a multiprocessor have.
template <class T, Activation::Kind Kind>
__global__ void __launch_bounds__(kChunkThreads, leaks(Kind) ? 3 : 4)
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
  over_pieces<Kind == Activation::Kind::leaky_relu ? 1 : 2, Order::backwards>(
      from, run.voxels * kPieces<T>,
      [&] {
        if (t < kLanes8) {
          const bool present = t < channels_in(channels, run.block);
          const int c = static_cast<int>(run.block) * kLanes8 + t;
          const BatchNormVectors<A> mine = of.of_case(run.n);
          means[t] = present ? mine.mean[c] : A{0};
          if constexpr (kMasks) {
            slopes[t] = norm_slope(mine, c, eps, activation.scale, present);
            shifts[t] = norm_shift(mine, c, activation.scale, slopes[t], present);
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
          unpack<T>(tile.of[0][turn], v);
          unpack<T>(tile.of[1][turn], dn);
          A normalised[kLane];
          bool passes[kLane];
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) { normalised[j] = v[j] * slope[j] + shift[j]; }
          activate<Kind>(activation, step, run.at + (i + turn * kChunkThreads) * kLane, normalised, passes);
          VOX_UNROLL
          for (int j = 0; j < kLane; ++j) {
            const A passed = passes[j] ? of_side<Kind>(activation, normalised[j], dn[j]) : A{0};
            sums[0][j] += passed;
            sums[1][j] += passed * (v[j] - mean[j]);
          }
        }
      });
  const double total = lane_sums(sums) * static_cast<double>(activation.scale);
  if (t < 2 * kLanes8) { partials[partial_at(grid, run, 2 * kLanes8, t)] = total; }
}

/// Where dbeta and dgamma go: those of all groups, and [groups,C] of each.
template <class A> struct ParameterGradients {
  A* dbeta;
  A* dgamma;
  A* dbeta_of_groups;
  A* dgamma_of_groups;
};

/// Where the shares of each case in dbeta and dgamma, [N,2,C], go to or come from.
struct CaseShares {
  double* to;          ///< or null
  const double* from;  ///< of so many cases; or null
  unsigned cases;
};

/// dbeta and dgamma from the sums of a channel's runs, or of a convolution's boxes, or from the shares of all cases:
/// one block per channel, which takes case after case. per_case: each case is a group of its own.
template <class A>
__global__ void batch_norm_parameters_kernel(const double* partials, const A* variance, double eps,
                                             ParameterGradients<A> to, unsigned of_channel, CaseShares shares,
                                             bool per_case) {
  wait_for_launches_before();
  const unsigned channel = blockIdx.x;
  const double* const sums = partials_of(of_channel, partials, channel, 2, 0);
  const double* const products = partials_of(of_channel, partials, channel, 2, 1);
  const unsigned of_case = of_channel / shares.cases;
  const auto share_at = [&](unsigned n, unsigned k) {
    return (static_cast<std::int64_t>(n) * 2 + k) * gridDim.x + channel;
  };
  double total[2] = {0, 0};
  VOX_NO_UNROLL
  for (unsigned n = 0; n < shares.cases; ++n) {
    double sum[2] = {0, 0};
    if (shares.from != nullptr) {
      sum[0] = shares.from[share_at(n, 0)];
      sum[1] = shares.from[share_at(n, 1)];
    } else {
      for (unsigned i = threadIdx.x; i < of_case; i += kChunkThreads) {
        sum[0] += sums[n * of_case + i];
        sum[1] += products[n * of_case + i];
      }
      block_sum(sum);
      if (per_case && threadIdx.x == 0) {
        const unsigned at = n * gridDim.x + channel;
        const A dbeta = static_cast<A>(sum[0]);
        const A dgamma = static_cast<A>(sum[1]) * inverse_deviation(variance[at], eps);
        to.dbeta_of_groups[at] = dbeta;
        to.dgamma_of_groups[at] = dgamma;
        sum[0] = static_cast<double>(dbeta);
        sum[1] = static_cast<double>(dgamma);
      }
      if (shares.to != nullptr && threadIdx.x == 0) {
        shares.to[share_at(n, 0)] = sum[0];
        shares.to[share_at(n, 1)] = sum[1];
      }
      if (n + 1 < shares.cases) { __syncthreads(); }
    }
    total[0] += sum[0];
    total[1] += sum[1];
  }
  if (threadIdx.x != 0 || shares.to != nullptr) { return; }
  to.dbeta[channel] = static_cast<A>(total[0]);
  to.dgamma[channel] = static_cast<A>(total[1]) * (per_case ? A{1} : inverse_deviation(variance[channel], eps));
}

/// dx = slope * (dn - offset - (x - mean) * pull), with the factors of x and those of neither put together: one block
/// per run; eight threads work out the factors.
template <class T, Activation::Kind Kind>
__global__ void __launch_bounds__(kChunkThreads, leaks(Kind) ? 3 : 4)
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
  over_pieces<Kind == Activation::Kind::leaky_relu_dropout ? 1 : 2, Order::forwards>(
      from, run.voxels * kPieces<T>,
      [&] {
        if (t < kLanes8) {
          const bool present = t < channels_in(channels, run.block);
          const int c = static_cast<int>(run.block) * kLanes8 + t;
          const BatchNormVectors<A> mine = of.of_case(run.n);
          const A inverse = present ? inverse_deviation(mine.variance[c], eps) : A{0};
          const A mean = present ? mine.mean[c] : A{0};
          const A factor = present ? mine.gamma[c] * inverse : A{0};
          const A of_x = present ? -factor * (mine.dgamma[c] * per_value * inverse) : A{0};
          slopes[t] = norm_slope(mine, c, eps, activation.scale, present);
          if constexpr (kMasks) { shifts[t] = norm_shift(mine, c, activation.scale, slopes[t], present); }
          pulls[t] = of_x;
          offsets[t] = present ? -factor * (mine.dbeta[c] * per_value) - mean * of_x : A{0};
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
            v[j] = passes[j] ? of_side<Kind>(activation, normalised[j], dn[j]) * slope[j] + v[j] : v[j];
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
    case leaky_relu:
      return body.template operator()<leaky_relu>();
    case leaky_relu_dropout:
      return body.template operator()<leaky_relu_dropout>();
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
  const auto of = gpu::vectors_of(a, a.shape);
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
  Acc<T>* const of_groups = a.of_groups.data();
  const gpu::ParameterGradients<Acc<T>> to{
      .dbeta = a.dbeta.data(),
      .dgamma = a.dgamma.data(),
      .dbeta_of_groups = a.per_case ? of_groups : a.dbeta.data(),
      .dgamma_of_groups = a.per_case ? of_groups + a.groups * s.c : a.dgamma.data()};
  auto of = gpu::vectors_of(a, s);
  of.dgamma = to.dgamma_of_groups;
  of.dbeta = to.dbeta_of_groups;
  const auto per_value = static_cast<Acc<T>>(
      a.statistics == Statistics::constant ? 0.0
                                           : 1.0 / static_cast<double>((a.per_case ? 1 : s.whole()) * s.voxels()));
  const std::int64_t boxes = std::ssize(a.boxes) / (batch_norm_boxes(s, 1));
  const double* const partials = boxes > 0 ? a.boxes.data() : a.partials.data();
  const unsigned of_channel = boxes > 0 ? static_cast<unsigned>(boxes) : grid.of_channel;
  const bool second = !a.all_sums.empty();
  const gpu::CaseShares shares{
      .to = a.case_sums.data(), .from = a.all_sums.data(), .cases = static_cast<unsigned>(second ? s.whole() : s.n)};
  gpu::with_kind(a.activation.kind, [&]<Activation::Kind Kind>() {
    if (boxes == 0 && !second) {
      VOX_LAUNCH(q, (gpu::batch_norm_gradient_runs_kernel<T, Kind>), grid.count, gpu::kChunkThreads, 0, a.x.data(),
                 a.dy.data(), of, a.eps, activation, a.partials.data(), grid, channels);
    }
    VOX_LAUNCH(q, (gpu::batch_norm_parameters_kernel<Acc<T>>), static_cast<unsigned>(channels), gpu::kChunkThreads, 0,
               partials, a.variance.data(), a.eps, to, of_channel, shares, a.per_case);
    if (a.dx.empty() || !a.case_sums.empty()) { return; }
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
                                         .dbeta = nullptr,
                                         .cases = 1,
                                         .channels = static_cast<int>(channels)};
  VOX_LAUNCH(q, (gpu::batch_norm_fold_kernel<Acc<T>>), static_cast<unsigned>(channels), gpu::kChunkThreads, 0,
             a.weight.data(), of, a.eps, a.folded.data(), a.bias.data(), std::ssize(a.weight) / channels);
}

VOX_INSTANTIATE(GpuQueue, batch_norm_forward, BatchNormArgs);
VOX_INSTANTIATE(GpuQueue, batch_norm_backward, BatchNormGradArgs);
VOX_INSTANTIATE(GpuQueue, batch_norm_fold, BatchNormFoldArgs);

}  // namespace vox
