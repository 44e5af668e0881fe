#include "kernels/cpu/amx/convolve.h"
#include "kernels/cpu/conv3d/direct.h"
#include "kernels/cpu/conv3d/gather.h"
#include "kernels/cpu/conv3d/gemm.h"
#include "kernels/cpu/conv3d/grad_tile.h"
#include "kernels/cpu/conv3d/pack.h"
#include "kernels/cpu/winograd/grad_weight.h"
#include "kernels/plan/one_case.h"

namespace vox {
namespace {

/// dy of a block and a group, [planes][rows][width][group]; channels that do not exist are zero.
template <class T>
void gather_gradient(const Conv3dTiling& t, const ConvBlock& at, std::int64_t group, const T* dy, Acc<T>* to) {
  const std::int64_t width = t.out.w;
  const std::int64_t rows = at.h_end - at.h_begin;
  for (std::int64_t part = 0; part < t.group / kBlock8; ++part, to += kBlock8) {
    const std::int64_t block = group * (t.group / kBlock8) + part;
    for (std::int64_t d = at.d_begin; d < at.d_end; ++d) {
      Acc<T>* row = to + (d - at.d_begin) * rows * width * t.group;
      if (block >= t.out.blocks()) {
        for (std::int64_t v = 0; v < rows * width; ++v) { std::fill_n(row + v * t.group, kBlock8, Acc<T>{0}); }
        continue;
      }
      const T* const from = dy + t.out.offset(at.n, block, (d * t.out.h + at.h_begin) * width);
      for (std::int64_t v = 0; v < rows * width; ++v) {
        for (std::int64_t c = 0; c < kBlock8; ++c) { row[v * t.group + c] = load(from[v * kBlock8 + c]); }
      }
    }
  }
}

template <class A>
void multiply_group(const GradTileArgs<A>& all, std::int64_t taps, std::int64_t channels, Ahead& ahead) {
  constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(A));
  constexpr int kNarrow = kLanes < 8 ? kLanes : 8;
  const std::int64_t step = all.group == kBlock8 ? kNarrow : all.group >= 2 * kLanes ? 2 * kLanes : kLanes;
  for (std::int64_t o = 0; o < all.group; o += step) {
    GradTileArgs<A> a = all;
    a.dy += o;
    a.dweight += o;
    if (all.group == kBlock8) {
      conv_grad_tiles<A, kNarrow, 1>(a, taps, channels, ahead);
    } else if (all.group >= 2 * kLanes) {
      conv_grad_tiles<A, kLanes, 2>(a, taps, channels, ahead);
    } else {
      conv_grad_tiles<A, kLanes, 1>(a, taps, channels, ahead);
    }
  }
}

/// dweight of one block of input channels from a gathered block, in pieces whose rows of x stay in L1 while all taps go
/// by.
template <class A>
void multiply_block(const Conv3dTiling& t, const ConvBlock& at, GradTileArgs<A> a, std::int64_t channels,
                    Ahead& ahead) {
  constexpr std::int64_t kPieceWidth = 64;
  constexpr std::int64_t kPieceVoxels = 256;
  const A* const x = a.x;
  const A* const dy = a.dy;
  const std::int64_t rows = at.h_end - at.h_begin;
  const std::int64_t pieces = (t.lattice_w + kPieceWidth - 1) / kPieceWidth;
  // about a tile per three taps, per piece
  a.lines = ahead.lines() * 3 / ((t.voxels() / kPieceVoxels + 1) * t.taps) + 1;
  const std::int64_t piece_rows = std::max<std::int64_t>(1, kPieceVoxels / std::min(t.lattice_w, kPieceWidth));
  for (std::int64_t plane = 0; plane < at.d_end - at.d_begin; ++plane) {
    for (std::int64_t row = 0; row < rows; row += piece_rows) {
      for (std::int64_t piece = 0; piece < pieces; ++piece) {
        const std::int64_t w = t.lattice_w * piece / pieces;
        a.rows = std::min(piece_rows, rows - row);
        a.width = t.lattice_w * (piece + 1) / pieces - w;
        a.x = x + plane * t.in_step * t.plane_elements() + row * a.x_row + w * kBlock8;
        a.dy = dy + (plane * rows + row) * a.dy_row + w * t.group;
        multiply_group(a, t.taps, channels, ahead);
      }
    }
  }
}

/// partial[part][group][in block][taps][8][group]: the blocks of one part, added up in order, for a group and some
/// blocks of input channels.
template <class T>
void add_part(const Conv3dTiling& t, const Conv3dTaps& taps, const Conv3dGradWeightArgs<T>& a, std::int64_t task,
              Acc<T>* scratch) {
  const std::int64_t shares = t.in_shares();
  const std::int64_t share = task % shares;
  const std::int64_t group = task / shares % t.groups;
  const std::int64_t part = task / shares / t.groups;
  const std::int64_t first = t.in.blocks() * share / shares;
  const std::int64_t last = t.in.blocks() * (share + 1) / shares;
  const std::int64_t tile = t.taps * kBlock8 * t.group;
  Acc<T>* const partial = a.scratch.data() + (part * t.groups + group) * t.in.blocks() * tile;
  Acc<T>* const dy = scratch + t.gathered_elements();
  const VolumeParts<const T> x = x_side(a.geometry, a.x, a.x2);
  std::fill_n(partial + first * tile, (last - first) * tile, Acc<T>{0});
  const std::int64_t end = t.blocks() * (part + 1) / t.parts;
  for (std::int64_t i = t.blocks() * part / t.parts; i < end; ++i) {
    const ConvBlock at = conv_block(t, i);
    gather_gradient(t, at, group, a.dy.data(), dy);
    for (std::int64_t block = first; block < last; ++block) {
      gather(t, at, block, x, scratch);
      Ahead ahead = block + 1 < last ? Ahead(t, at, block + 1, 1, x)
                    : i + 1 < end    ? Ahead(t, conv_block(t, i + 1), first, 1, x)
                                     : Ahead();
      multiply_block(t, at,
                     GradTileArgs<Acc<T>>{.x = scratch,
                                          .dy = dy,
                                          .dweight = partial + block * tile,
                                          .offset = taps.offset.data(),
                                          .rows = 0,
                                          .width = 0,
                                          .x_row = t.in_step * t.row_elements(),
                                          .dy_row = t.lattice_w * t.group,
                                          .group = t.group,
                                          .lines = 0,
                                          .prefetch = nullptr},
                     t.in.channels_in(block), ahead);
    }
  }
}

template <class T> void grad_weight_tiled(const IsaQueue& q, const Conv3dGradWeightArgs<T>& a) {
  const Conv3dTiling t = conv3d_tiling(a.geometry, Conv3dPass::grad_weight, q.threads);
  const Conv3dTaps taps = conv3d_taps(a.geometry, t);
  Acc<T>* const scratch = a.scratch.data();
  parallel_tasks(q, t.tasks(), [&](int worker, std::int64_t i) {
    add_part(t, taps, a, i, scratch + t.shared_elements() + worker * t.worker_elements());
  });
  unpack_weight(q, t, scratch, a.dweight.data());
}

/// Of one case.
template <class T> void grad_weight_of(const IsaQueue& q, const Conv3dGradWeightArgs<T>& a) {
  if (a.algorithm == Conv3dAlgorithm::direct) { return conv3d_grad_weight_direct(q, a); }
  if (a.algorithm == Conv3dAlgorithm::gemm) { return grad_weight_gemm(q, a); }
  if (a.algorithm == Conv3dAlgorithm::winograd) { return grad_weight_winograd(q, a); }
  if constexpr (kTakesAmx<T, IsaQueue>) {
    if (a.algorithm == Conv3dAlgorithm::amx) {
      const CpuIsaQueue<Isa::amx> amx{q.threads};
      return gemm_takes(a.geometry) ? grad_weight_gemm_amx(amx, a) : conv3d_grad_weight_amx(amx, a);
    }
  }
  grad_weight_tiled(q, a);
}

}  // namespace

template <class T> void conv3d_grad_weight(IsaQueue& q, const Conv3dGradWeightArgs<T>& a) {
  for (std::int64_t n = 0; n < a.geometry.x.n; ++n) { grad_weight_of(q, one_case(a, n)); }
}

VOX_INSTANTIATE(IsaQueue, conv3d_grad_weight, Conv3dGradWeightArgs);

}  // namespace vox
