#include "kernels/cuda/conv3d/conv3d.cuh"

// The convolution by its definition, for any geometry: what the other algorithms are tested against. Thread = one voxel
// and the eight channels of one block of the output; neighbouring threads are neighbouring voxels and read the same
// weights. Weight gradient: thread = one weight and one share of the voxels.

namespace vox::gpu {

inline constexpr int kDirectThreads = 128;

/// The voxel of `in` that tap k reads for output coordinate p on one axis of `extent` voxels, or -1.
template <Conv3dPass P>
__device__ __forceinline__ std::int64_t source_of(const Conv3dGeometry& g, std::int64_t p, std::int64_t k,
                                                  std::int64_t extent) {
  if constexpr (P == Conv3dPass::correlate) {
    const std::int64_t at = p * g.stride - g.padding + k;
    return at >= 0 && at < extent ? at : -1;
  } else {
    const std::int64_t scaled = p + g.padding - k;
    return scaled >= 0 && scaled % g.stride == 0 && scaled / g.stride < extent ? scaled / g.stride : -1;
  }
}

/// sum[c] += over the input channels at one voxel and tap.
template <class T, Conv3dPass P>
__device__ __forceinline__ void add_voxel(const Convolve<T>& a, const VolumeShape& in, const VolumeShape& out,
                                          std::int64_t n, std::int64_t voxel, std::int64_t tap, std::int64_t first,
                                          Acc<T> (&sum)[8]) {
  const std::int64_t taps = a.geometry.kernel * a.geometry.kernel * a.geometry.kernel;
  for (std::int64_t i = 0; i < in.c; ++i) {
    const Acc<T> value = load(a.in.at(n, i / kBlock8)[voxel * kBlock8 + i % kBlock8]);
    VOX_UNROLL
    for (int c = 0; c < 8; ++c) {
      if (first + c < out.c) {
        const std::int64_t pair = P == Conv3dPass::correlate ? (first + c) * in.c + i : i * out.c + first + c;
        sum[c] += value * rounded<T>(a.weight[pair * taps + tap]);
      }
    }
  }
}

template <class T, Conv3dPass P> __global__ void convolve_direct_kernel(Convolve<T> a) {
  wait_for_launches_before();
  const Conv3dGeometry& g = a.geometry;
  const VolumeShape in = P == Conv3dPass::correlate ? g.x : g.y;
  const VolumeShape out = P == Conv3dPass::correlate ? g.y : g.x;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= out.n * out.blocks() * out.voxels()) { return; }
  const std::int64_t w = index % out.w;
  const std::int64_t h = index / out.w % out.h;
  const std::int64_t d = index / out.w / out.h % out.d;
  const std::int64_t row = index / out.voxels();  // case and block
  const std::int64_t first = row % out.blocks() * kBlock8;
  Acc<T> sum[8];
  VOX_UNROLL
  for (int c = 0; c < 8; ++c) { sum[c] = a.bias != nullptr && first + c < out.c ? a.bias[first + c] : Acc<T>{0}; }
  for (std::int64_t kd = 0; kd < g.kernel; ++kd) {
    const std::int64_t sd = source_of<P>(g, d, kd, in.d);
    if (sd < 0) { continue; }
    for (std::int64_t kh = 0; kh < g.kernel; ++kh) {
      const std::int64_t sh = source_of<P>(g, h, kh, in.h);
      if (sh < 0) { continue; }
      for (std::int64_t kw = 0; kw < g.kernel; ++kw) {
        const std::int64_t sw = source_of<P>(g, w, kw, in.w);
        if (sw < 0) { continue; }
        add_voxel<T, P>(a, in, out, row / out.blocks(), (sd * in.h + sh) * in.w + sw,
                        (kd * g.kernel + kh) * g.kernel + kw, first, sum);
      }
    }
  }
  Pack<T, 8> y;
  VOX_UNROLL
  for (int c = 0; c < 8; ++c) { y.v[c] = store<T>(sum[c]); }
  store_pack(a.out.at(row / out.blocks(), row % out.blocks()) + index % out.voxels() * kBlock8, y);
}

template <class T> void convolve_direct(GpuQueue& q, const Convolve<T>& a) {
  const bool spread = a.pass == Conv3dPass::spread;
  const VolumeShape& out = spread ? a.geometry.x : a.geometry.y;
  const unsigned blocks = blocks_for(out.n * out.blocks() * out.voxels(), kDirectThreads);
  if (spread) {
    VOX_LAUNCH(q, (convolve_direct_kernel<T, Conv3dPass::spread>), blocks, kDirectThreads, 0, a);
  } else {
    VOX_LAUNCH(q, (convolve_direct_kernel<T, Conv3dPass::correlate>), blocks, kDirectThreads, 0, a);
  }
}

/// partial[share][tap][i][o], shares of a case being neighbours: neighbouring threads read neighbouring channels of dy
/// and the same x.
template <class T>
__global__ void grad_weight_direct_kernel(Conv3dGeometry g, VolumeParts<const T> x, const T* dy, Acc<T>* partial,
                                          int shares) {
  wait_for_launches_before();
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t elements = g.y.c * g.x.c * g.kernel * g.kernel * g.kernel;
  if (index >= elements * shares) { return; }
  const std::int64_t o = index % g.y.c;
  const std::int64_t i = index / g.y.c % g.x.c;
  const std::int64_t tap = index % elements / g.y.c / g.x.c;
  const std::int64_t share = index / elements;
  const std::int64_t rows = g.y.n * g.y.d * g.y.h;
  Acc<T> sum{0};
  for (std::int64_t row = rows * share / shares; row < rows * (share + 1) / shares; ++row) {
    const std::int64_t n = row / g.y.h / g.y.d;
    const std::int64_t d = row / g.y.h % g.y.d * g.stride - g.padding + tap / g.kernel / g.kernel;
    const std::int64_t h = row % g.y.h * g.stride - g.padding + tap / g.kernel % g.kernel;
    if (d < 0 || d >= g.x.d || h < 0 || h >= g.x.h) { continue; }
    const T* const x_row = x.at(n, i / kBlock8) + (d * g.x.h + h) * g.x.w * kBlock8 + i % kBlock8;
    for (std::int64_t p = 0; p < g.y.w; ++p) {
      const std::int64_t w = p * g.stride - g.padding + tap % g.kernel;
      if (w < 0 || w >= g.x.w) { continue; }
      sum += load(dy[g.y.at(n, o, row % (g.y.d * g.y.h) * g.y.w + p)]) * load(x_row[w * kBlock8]);
    }
  }
  partial[index] = sum;
}

template <class T> void grad_weight_direct(GpuQueue& q, const Conv3dGradWeightArgs<T>& a) {
  const Conv3dGeometry& g = a.geometry;
  const int of_case = static_cast<int>(conv3d_direct_shares(g));
  const int cases = static_cast<int>(g.y.n);
  VOX_LAUNCH(q, (grad_weight_direct_kernel<T>), blocks_for(weight_elements(g) * of_case * cases, kDirectThreads),
             kDirectThreads, 0, g, x_side(g, a.x, a.x2), a.dy.data(), a.scratch.data(), of_case * cases);
  sum_partials(q, Partials<Acc<T>>{.partial = a.scratch.data(),
                                   .dweight = a.dweight.data(),
                                   .cases = cases,
                                   .shares = of_case,
                                   .taps = static_cast<int>(g.kernel * g.kernel * g.kernel),
                                   .in_channels = static_cast<int>(g.x.c),
                                   .out_channels = static_cast<int>(g.y.c),
                                   .in_group = static_cast<int>(g.x.c),
                                   .out_group = static_cast<int>(g.y.c)});
}

template void convolve_direct(GpuQueue&, const Convolve<float>&);
template void convolve_direct(GpuQueue&, const Convolve<double>&);
template void convolve_direct(GpuQueue&, const Convolve<Bf16>&);
VOX_INSTANTIATE(GpuQueue, grad_weight_direct, Conv3dGradWeightArgs);

}  // namespace vox::gpu
