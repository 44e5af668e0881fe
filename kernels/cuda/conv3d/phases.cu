#include "kernels/cuda/conv3d/phases.cuh"

#include "kernels/cuda/conv3d/march_launch.cuh"

namespace vox::gpu {

inline constexpr int kPhaseThreads = 256;

/// What moves between a volume and its phases: a thread has two voxels that are neighbours along W, one of each phase.
struct PhaseGrid {
  int blocks;   ///< of channels
  int d, h, w;  ///< of the volume
  int coarse_d, coarse_h, coarse_w;
  unsigned count;  ///< of threads
};

[[nodiscard]] inline PhaseGrid phase_grid(const Conv3dGeometry& g) {
  return {.blocks = static_cast<int>(g.x.blocks()),
          .d = static_cast<int>(g.x.d),
          .h = static_cast<int>(g.x.h),
          .w = static_cast<int>(g.x.w),
          .coarse_d = static_cast<int>(g.y.d),
          .coarse_h = static_cast<int>(g.y.h),
          .coarse_w = static_cast<int>(g.y.w),
          .count = static_cast<unsigned>(g.x.n * g.x.blocks() * 4 * g.y.voxels())};
}

struct PhasePair {
  int n;
  int block;
  bool there[2];       ///< whether the volume has the voxel
  std::int64_t voxel;  ///< its first, of a block
  std::int64_t phase;  ///< cell of the phases; that of the other voxel is a phase further
  std::int64_t apart;  ///< cells of a phase
};

__device__ __forceinline__ PhasePair phase_pair(const PhaseGrid& g, unsigned i) {
  const auto next = [&i](int extent) {
    const auto e = static_cast<unsigned>(extent);
    const int at = static_cast<int>(i % e);
    i /= e;
    return at;
  };
  const int w = next(g.coarse_w);
  const int h = next(2 * g.coarse_h);
  const int d = next(2 * g.coarse_d);
  const int block = next(g.blocks);
  const int n = static_cast<int>(i);
  const bool row = d < g.d && h < g.h;
  const int phase = (d % 2 * 2 + h % 2) * 2;
  const std::int64_t voxels = static_cast<std::int64_t>(g.coarse_d) * g.coarse_h * g.coarse_w;
  const std::int64_t of_phase = (static_cast<std::int64_t>(d / 2) * g.coarse_h + h / 2) * g.coarse_w + w;
  return {.n = n,
          .block = block,
          .there = {row && 2 * w < g.w, row && 2 * w + 1 < g.w},
          .voxel = (static_cast<std::int64_t>(d) * g.h + h) * g.w + 2 * w,
          .phase = ((static_cast<std::int64_t>(n) * 8 + phase) * g.blocks + block) * voxels + of_phase,
          .apart = voxels * g.blocks};
}

__global__ void __launch_bounds__(kPhaseThreads)
    gather_phases_kernel(VolumeParts<const Bf16> x, Bf16* phases, PhaseGrid g) {
  wait_for_launches_before();
  const unsigned i = blockIdx.x * kPhaseThreads + threadIdx.x;
  if (i >= g.count) { return; }
  const PhasePair p = phase_pair(g, i);
  const Bf16* const from = x.at(p.n, p.block);
  VOX_UNROLL
  for (int k = 0; k < 2; ++k) {
    const auto cell = p.there[k] ? load_pack<8>(from + (p.voxel + k) * kBlock8) : Pack<Bf16, 8>{};
    store_whole(phases + (p.phase + k * p.apart) * kBlock8, cell);
  }
}

__global__ void __launch_bounds__(kPhaseThreads)
    scatter_phases_kernel(const Bf16* phases, VolumeParts<Bf16> x, PhaseGrid g) {
  wait_for_launches_before();
  const unsigned i = blockIdx.x * kPhaseThreads + threadIdx.x;
  if (i >= g.count) { return; }
  const PhasePair p = phase_pair(g, i);
  Bf16* const to = x.at(p.n, p.block);
  VOX_UNROLL
  for (int k = 0; k < 2; ++k) {
    if (p.there[k]) {
      store_whole(to + (p.voxel + k) * kBlock8, load_pack<8>(phases + (p.phase + k * p.apart) * kBlock8));
    }
  }
}

/// The weight in the order of the march, [16 output channels][step][kd][kh][kw][half of K][16][8], and the bias of each
/// channel of each phase. A thread writes eight input channels of an output channel.
struct PhaseWeights {
  const float* weight;  ///< [O,I,27]
  Bf16* packed;
  const float* bias;  ///< [I], or null
  float* phase_bias;
  int out_channels;  ///< O
  int in_channels;   ///< I
  int phase_blocks;
  int steps;
  unsigned cells;
  bool spread;
};

__global__ void __launch_bounds__(kPhaseThreads) pack_phases_kernel(PhaseWeights a) {
  wait_for_launches_before();
  const unsigned i = blockIdx.x * kPhaseThreads + threadIdx.x;
  const int phase_channels = a.phase_blocks * 8;
  if (a.bias != nullptr && i < static_cast<unsigned>(8 * phase_channels)) {
    const int c = static_cast<int>(i) % phase_channels;
    a.phase_bias[i] = c < a.in_channels ? a.bias[c] : 0.0F;
  }
  if (i >= a.cells) { return; }
  const int out = static_cast<int>(i / 256 / static_cast<unsigned>(a.steps)) * 16 + static_cast<int>(i % 16);
  const int in = (static_cast<int>(i / 256 % static_cast<unsigned>(a.steps)) * 2 + static_cast<int>(i / 16 % 2)) * 8;
  const int of_phases = a.spread ? out : in;  // channel of a phase
  const auto phase = static_cast<unsigned>(of_phases / phase_channels);
  const Conv3dPass pass = a.spread ? Conv3dPass::spread : Conv3dPass::correlate;
  const int tap = phase < 8 ? tap_of_phase(phase, pass, static_cast<int>(i / 32 % 8)) : -1;
  const int fine = of_phases % phase_channels;
  float v[8];
  VOX_UNROLL
  for (int k = 0; k < 8; ++k) {
    const int o = a.spread ? in + k : out;
    const int c = a.spread ? fine : fine + k;
    const bool there = tap >= 0 && o < a.out_channels && c < a.in_channels;
    v[k] = there ? a.weight[(static_cast<std::int64_t>(o) * a.in_channels + c) * 27 + tap] : 0.0F;
  }
  store_wide(a.packed + static_cast<std::int64_t>(i) * 8, v);
}

void gather_phases(GpuQueue& q, const Conv3dGeometry& g, const VolumeParts<const Bf16>& x, Bf16* phases) {
  const PhaseGrid grid = phase_grid(g);
  VOX_LAUNCH(q, (gather_phases_kernel), blocks_for(grid.count, kPhaseThreads), kPhaseThreads, 0, x, phases, grid);
}

void convolve_phases(GpuQueue& q, const Convolve<Bf16>& a) {
  const bool spread = a.pass == Conv3dPass::spread;
  const Conv3dGeometry& g = a.geometry;
  Convolve<Bf16> of = a;
  of.geometry = conv3d_phases(g);
  const Conv3dMarch m = conv3d_march(of.geometry, a.pass, 8);
  const PhaseScratch lies = phase_scratch(m, of.geometry, a.pass);
  auto* const packed = reinterpret_cast<Bf16*>(a.scratch);
  auto* const phases = reinterpret_cast<Bf16*>(a.scratch + lies.phases);
  float* const bias = a.scratch + lies.bias;
  const auto steps = static_cast<int>(ceil_div(m.in.blocks(), 2));
  const auto cells = static_cast<unsigned>(m.groups * m.warps_n * steps * 256);
  const PhaseWeights weights{.weight = a.weight,
                             .packed = packed,
                             .bias = spread ? a.bias : nullptr,
                             .phase_bias = bias,
                             .out_channels = static_cast<int>(g.y.c),
                             .in_channels = static_cast<int>(g.x.c),
                             .phase_blocks = static_cast<int>(g.x.blocks()),
                             .steps = steps,
                             .cells = cells,
                             .spread = spread};
  VOX_LAUNCH(q, (pack_phases_kernel), blocks_for(cells, kPhaseThreads), kPhaseThreads, 0, weights);
  if (spread) {
    of.out = volume_parts(of.geometry.x, 0, phases, static_cast<Bf16*>(nullptr));
    if (a.bias != nullptr) { of.bias = bias; }
  } else {
    gather_phases(q, g, a.in, phases);
    of.in = volume_parts(of.geometry.x, 0, static_cast<const Bf16*>(phases), static_cast<const Bf16*>(nullptr));
  }
  MarchArgs<Bf16> args = march_args(of, m, steps, 1, spread ? Taps::after : Taps::before);
  args.packed = packed;
  args.partial = a.scratch + lies.partial;
  args.phase_blocks = weights.phase_blocks;
  march_phases(q, args, m, a.pass);
  if (spread) {
    const PhaseGrid grid = phase_grid(g);
    VOX_LAUNCH(q, (scatter_phases_kernel), blocks_for(grid.count, kPhaseThreads), kPhaseThreads, 0, phases, a.out,
               grid);
  }
}

}  // namespace vox::gpu
