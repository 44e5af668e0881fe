#include "kernels/cuda/conv3d/grad_march.cuh"
#include "kernels/cuda/conv3d/phases.cuh"

// Weight gradient of a 3^3 convolution of stride 1 in bf16 on tensor cores: for each tap [output channels x voxels] x
// [voxels x input channels], sums in f32. Warp = 16 output channels by 16 input channels by the nine taps of one kd,
// over half of the tile; K = 16 are two rows of 8 voxels, transposed by ldmatrix. The shift by kw is taken from dy and
// not from x (dW[kw] = sum over q of x[q] * dy[q-kw+1]), and the shift by kh from the rows of x that are in registers:
// going down two rows, 1 + 3 ldmatrix.x4 feed 18 products of 16x8x16.
//
// The slices come through two rings, copied up to two slices ahead and over the end of a column; what a thread copies
// is at the same place of every slice, so that its addresses only take a step.
//
// Of a stride of 2 x is its phases (phases.cuh): two taps along each axis, and as many warps of each.

namespace vox::gpu {

using Bf16Cell = Pack<Bf16, 8>;

/// AXIS: taps along an axis.
template <int TILE, int AXIS> struct TensorGrad {
  static constexpr int kAxis = AXIS;
  static constexpr int kEach = AXIS * AXIS * 2 * 4;  ///< sums of a thread
  static constexpr int kThreads = 2 * AXIS * 32;
  static constexpr int kTile = TILE;
  static constexpr int kAhead = 2;   ///< slices of dy on their way
  static constexpr int kXRing = 6;   ///< slices: three in use, and those of two slices of dy or of a column's first one
  static constexpr int kDyRing = 3;  ///< slices
  // Of a slice in shared memory, in cells of 16 bytes: [block][row][column].
  static constexpr int kXBlock = (TILE + 2) * TILE;
  static constexpr int kDyPitch = TILE + 2;
  static constexpr int kDyBlock = TILE * kDyPitch;
  static constexpr int kXCells = 2 * kXBlock;
  static constexpr int kDyCells = 2 * kDyBlock;
  static constexpr int kXTurns = (kXCells + kThreads - 1) / kThreads;  ///< cells that a thread copies
  static constexpr int kDyTurns = (kDyCells + kThreads - 1) / kThreads;
  static constexpr int kSumBytes = AXIS * kEach * 32 * 4;  // of the warps that hand over their sums at the end
  static constexpr int kTileBytes = (kXRing * kXCells + kDyRing * kDyCells) * 16;
  static constexpr std::size_t kSharedBytes = kSumBytes > kTileBytes ? kSumBytes : kTileBytes;
  struct Sums {
    float acc[AXIS][AXIS][2][4];  ///< [kh][kw][8 input channels][of the fragment]
  };

  /// One slice of dy, and x's slice kd at slot kd of three.
  static __device__ __forceinline__ void add(const Bf16Cell* x, const Bf16Cell* dy, Sums& sums) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int half = static_cast<int>(threadIdx.x) / (32 * AXIS);
    constexpr int kSteps = TILE * TILE / 32;  // of 2 rows by 8 voxels
    constexpr bool kAcross = TILE == 16;      // the halves lie side by side, else one above the other
    const int place = half * (kAcross ? 8 : TILE / 2 * TILE);
    const int dy_place = half * (kAcross ? 8 : TILE / 2 * kDyPitch);
    // ldmatrix: lanes 8m..8m+7 point at the rows of matrix m; of dy in the order (block, row), of x in (row, block).
    x += lane / 16 * kXBlock + lane / 8 % 2 * TILE + lane % 8 + place;
    dy += lane / 8 % 2 * kDyBlock + lane / 16 * kDyPitch + lane % 8 + 2 + dy_place;
    std::uint32_t g[2][AXIS][4];
    std::uint32_t v[3][4];  // two rows each
    ldmatrix_x4_trans(v[0], x);
    VOX_UNROLL
    for (int kw = 0; kw < AXIS; ++kw) { ldmatrix_x4_trans(g[0][kw], dy - kw); }
    ldmatrix_x4_trans(v[1], x + 2 * TILE);
    VOX_UNROLL
    for (int i = 0; i < kSteps; ++i) {
      if (i + 1 < kSteps) {
        VOX_UNROLL
        for (int kw = 0; kw < AXIS; ++kw) { ldmatrix_x4_trans(g[(i + 1) % 2][kw], dy + (2 * i + 2) * kDyPitch - kw); }
        ldmatrix_x4_trans(v[(i + 2) % 3], x + (2 * i + 4) * TILE);
      }
      const std::uint32_t(&above)[4] = v[i % 3];
      const std::uint32_t(&below)[4] = v[(i + 1) % 3];
      VOX_UNROLL
      for (int kh = 0; kh < AXIS; ++kh) {
        VOX_UNROLL
        for (int b = 0; b < 2; ++b) {
          const std::uint32_t rows[2] = {kh == 0   ? above[2 * b]
                                         : kh == 1 ? above[2 * b + 1]
                                                   : below[2 * b],
                                         kh == 0   ? above[2 * b + 1]
                                         : kh == 1 ? below[2 * b]
                                                   : below[2 * b + 1]};
          VOX_UNROLL
          for (int kw = 0; kw < AXIS; ++kw) {
            mma_m16n8k16_bf16(sums.acc[kh][kw][b], g[i % 2][kw], rows, sums.acc[kh][kw][b]);
          }
        }
      }
    }
  }
};

/// Place i of a ring of SLOTS.
template <int SLOTS> __device__ __forceinline__ int in_ring(int i) { return i >= SLOTS ? i - SLOTS : i; }

struct TensorGradColumn {
  int n;
  int first;  ///< slice
  int count;
  int h;
  int w;
};

__device__ __forceinline__ TensorGradColumn tensor_grad_column(const GradArgs<Bf16>& a, unsigned column, int tile) {
  const unsigned row = column / static_cast<unsigned>(a.tiles_w);
  const unsigned part = row / static_cast<unsigned>(a.tiles_h);
  const int first = static_cast<int>(part % static_cast<unsigned>(a.parts)) * a.depth;
  return {.n = static_cast<int>(part / static_cast<unsigned>(a.parts)),
          .first = first,
          .count = min(a.depth, a.d - first),
          .h = static_cast<int>(row % static_cast<unsigned>(a.tiles_h)) * tile,
          .w = static_cast<int>(column % static_cast<unsigned>(a.tiles_w)) * tile};
}

/// What a thread copies: the same cells of every slice, first x's and then dy's, one column after the other.
template <class Grad> struct GradCopy {
  const Bf16* x[Grad::kXTurns];  ///< of the next slice; only to be read where `inside` says so
  const Bf16* dy[Grad::kDyTurns];
  unsigned inside;  ///< bit k: cell k of x is in the volume; bit 16+k: of dy
  int slice;        ///< the next, of dy
  int left;         ///< slices of the column; 0: the next one starts a column
  unsigned column;
  int x_slot;
  int dy_slot;

  template <int TURNS, int CELLS, int BLOCK, int PITCH>
  __device__ __forceinline__ void place(const Bf16* (&at)[TURNS], int shift, const VolumeParts<const Bf16>& volume,
                                        const GradArgs<Bf16>& a, int n, int group, int first, int h, int w) {
    VOX_UNROLL
    for (int k = 0; k < TURNS; ++k) {
      const int cell = static_cast<int>(threadIdx.x) + k * Grad::kThreads;
      const int block = 2 * group + cell / BLOCK;
      const int row = h + cell % BLOCK / PITCH;
      const int voxel = w + cell % BLOCK % PITCH;
      const bool present = block < volume.first_blocks + volume.second_blocks;
      if (present && cell < CELLS && row >= 0 && row < a.h && voxel >= 0 && voxel < a.w) {
        inside |= 1U << (shift + k);
      }
      at[k] = (present ? volume.at(n, block) : volume.first) + static_cast<std::int64_t>(first) * (a.h * a.w * 8) +
              (row * a.w + voxel) * 8;
    }
  }
  template <int TURNS, int CELLS>
  __device__ __forceinline__ void copy(Bf16Cell* to, const Bf16* (&at)[TURNS], unsigned from, int stride) {
    VOX_UNROLL
    for (int k = 0; k < TURNS; ++k) {
      const int cell = static_cast<int>(threadIdx.x) + k * Grad::kThreads;
      if (CELLS % Grad::kThreads == 0 || cell < CELLS) {
        cp_async_zfill<16>(to + cell, at[k], (from >> k & 1U) != 0 ? 16 : 0);
      }
      at[k] += stride;
    }
  }
  __device__ __forceinline__ void copy_x(Bf16Cell* shared, const GradArgs<Bf16>& a, int of) {
    copy<Grad::kXTurns, Grad::kXCells>(shared + x_slot * Grad::kXCells, x, of >= 0 && of < a.d ? inside : 0,
                                       a.h * a.w * 8);
    x_slot = in_ring<Grad::kXRing>(x_slot + 1);
  }

  /// Slices of x that next() copies.
  [[nodiscard]] __device__ __forceinline__ int slots() const { return left == 0 ? 3 : 1; }
  /// Starts copying the next slice of dy and what x has of new ones for it.
  __device__ __forceinline__ void next(Bf16Cell* shared, const GradArgs<Bf16>& a, int in_group, int group) {
    if (left == 0) {
      const TensorGradColumn c = tensor_grad_column(a, column, Grad::kTile);
      slice = c.first;
      left = c.count;
      inside = 0;
      place<Grad::kXTurns, Grad::kXCells, Grad::kXBlock, Grad::kTile>(x, 0, a.x, a, c.n, in_group, slice - 1, c.h - 1,
                                                                      c.w);
      place<Grad::kDyTurns, Grad::kDyCells, Grad::kDyBlock, Grad::kDyPitch>(dy, 16, a.dy, a, c.n, group, slice, c.h,
                                                                            c.w - 1);
      VOX_NO_UNROLL
      for (int i = -1; i < 1; ++i) { copy_x(shared, a, slice + i); }
    }
    copy_x(shared, a, slice + 1);
    copy<Grad::kDyTurns, Grad::kDyCells>(shared + Grad::kXRing * Grad::kXCells + dy_slot * Grad::kDyCells, dy,
                                         inside >> 16U, a.h * a.w * 8);
    dy_slot = in_ring<Grad::kDyRing>(dy_slot + 1);
    cp_async_commit();
    ++slice;
    --left;
    if (left == 0) { ++column; }
  }
};

template <class Grad>
__device__ __forceinline__ void tensor_grad_march(const GradArgs<Bf16>& a, Bf16Cell* shared,
                                                  typename Grad::Sums& sums) {
  const int in_group = static_cast<int>(blockIdx.x) % a.input_groups;
  const int group = static_cast<int>(blockIdx.x) / a.input_groups % a.groups;
  const int share = static_cast<int>(blockIdx.x) / a.input_groups / a.groups;
  const auto begin = static_cast<unsigned>(a.columns * share / a.shares);
  const auto end = static_cast<unsigned>(a.columns * (share + 1) / a.shares);
  const int kd = static_cast<int>(threadIdx.x) / 32 % Grad::kAxis;
  GradCopy<Grad> copy{};
  copy.column = begin;
  int copied = 0;  // slices of dy in the ring or on their way there
  int held = 3;    // slices of x, with three that were never there before the first
  int x_slot = Grad::kXRing - 3;
  int dy_slot = 0;
  while (copied < Grad::kAhead && copy.column < end) {
    held += copy.slots();
    copy.next(shared, a, in_group, group);
    ++copied;
  }
  VOX_NO_UNROLL
  for (unsigned column = begin; column < end; ++column) {
    const int count = tensor_grad_column(a, column, Grad::kTile).count;
    VOX_NO_UNROLL
    for (int i = 0; i < count; ++i) {
      if (copied > 1) {
        cp_async_wait<1>();
      } else {
        cp_async_wait<0>();
      }
      __syncthreads();
      const int gone = i == 0 ? 3 : 1;
      held -= gone;
      x_slot = in_ring<Grad::kXRing>(x_slot + gone);
      VOX_NO_UNROLL
      while (copied <= Grad::kAhead && copy.column < end && held + copy.slots() <= Grad::kXRing) {
        held += copy.slots();
        copy.next(shared, a, in_group, group);
        ++copied;
      }
      Grad::add(shared + in_ring<Grad::kXRing>(x_slot + kd) * Grad::kXCells,
                shared + Grad::kXRing * Grad::kXCells + dy_slot * Grad::kDyCells, sums);
      dy_slot = in_ring<Grad::kDyRing>(dy_slot + 1);
      --copied;
    }
  }
}

template <class Grad>
__global__ void __launch_bounds__(Grad::kThreads, 2) grad_weight_tensor_core_kernel(GradArgs<Bf16> a) {
  wait_for_launches_before();
  static_assert(Grad::kSharedBytes <= kSharedBytesEverywhere);
  VOX_DYNAMIC_SHARED(Bf16Cell, shared);
  typename Grad::Sums sums{};
  tensor_grad_march<Grad>(a, shared, sums);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  constexpr int kAxis = Grad::kAxis;
  constexpr int kEach = Grad::kEach;
  float* const handed = reinterpret_cast<float*>(shared) + warp % kAxis * kEach * 32 + lane;
  const auto sum_of = [&](int e) { return sums.acc[e / (8 * kAxis)][e / 8 % kAxis][e / 4 % 2][e % 4]; };
  __syncthreads();  // the tiles have been read
  if (warp >= kAxis) {
    VOX_UNROLL
    for (int e = 0; e < kEach; ++e) { handed[e * 32] = sum_of(e); }
  }
  __syncthreads();
  if (warp >= kAxis) { return; }
  // Element e of a fragment is output channel lane/4 + e/2*8 and input channel lane%4*2 + e%2.
  float* const partial =
      a.partial + static_cast<std::int64_t>(blockIdx.x) * (kAxis * kAxis * kAxis * 16 * 16) + lane % 4 * 32 + lane / 4;
  VOX_UNROLL
  for (int e = 0; e < kEach; ++e) {
    const float sum = sum_of(e) + handed[e * 32];
    partial[(warp * kAxis * kAxis + e / 8) * 256 + (e / 4 % 2 * 8 + e % 2) * 16 + e / 2 % 2 * 8] = sum;
  }
}

template <int AXIS> static void launch_grad(GpuQueue& q, const Conv3dGradMarch& m, const GradArgs<Bf16>& args) {
  const auto blocks = static_cast<unsigned>(args.shares * args.groups * args.input_groups);
  if (m.march.wide) {
    using Grad = TensorGrad<16, AXIS>;
    VOX_LAUNCH(q, (grad_weight_tensor_core_kernel<Grad>), blocks, Grad::kThreads, Grad::kSharedBytes, args);
  } else {
    using Grad = TensorGrad<8, AXIS>;
    VOX_LAUNCH(q, (grad_weight_tensor_core_kernel<Grad>), blocks, Grad::kThreads, Grad::kSharedBytes, args);
  }
}

static void grad_weight_phases(GpuQueue& q, const Conv3dGradWeightArgs<Bf16>& a) {
  Conv3dGradWeightArgs<Bf16> of = a;
  of.geometry = conv3d_phases(a.geometry);
  const Conv3dGradMarch m = conv3d_grad_march(of.geometry, 2 * kBlock8, kPhaseTaps);
  auto* const phases = reinterpret_cast<Bf16*>(a.scratch.data() + m.partial_elements());
  gather_phases(q, a.geometry, x_side(a.geometry, a.x, a.x2), phases);
  of.x = {phases, static_cast<std::size_t>(of.geometry.x.padded_count())};
  of.x2 = {};
  const GradArgs<Bf16> args = grad_args(of, m);
  launch_grad<2>(q, m, args);
  sum_grad(q, a.geometry, m, args.partial, a.dweight.data());
}

void grad_weight_tensor_core(GpuQueue& q, const Conv3dGradWeightArgs<Bf16>& a) {
  if (a.geometry.stride == 2) { return grad_weight_phases(q, a); }
  const Conv3dGradMarch m = conv3d_grad_march(a.geometry, 2 * kBlock8);
  const GradArgs<Bf16> args = grad_args(a, m);
  launch_grad<3>(q, m, args);
  sum_grad(q, a.geometry, m, args.partial, a.dweight.data());
}

}  // namespace vox::gpu
