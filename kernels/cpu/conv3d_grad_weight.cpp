#include "kernels/cpu/conv3d_direct.h"
#include "kernels/cpu/conv3d_gather.h"
#include "kernels/cpu/conv3d_grad_tile.h"
#include "kernels/cpu/conv3d_pack.h"

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

template <class A> void multiply_group(const GradTileArgs<A>& all, std::int64_t taps, std::int64_t channels) {
  constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(A));
  constexpr int kNarrow = kLanes < 8 ? kLanes : 8;
  const std::int64_t step = all.group == kBlock8 ? kNarrow : all.group >= 2 * kLanes ? 2 * kLanes : kLanes;
  for (std::int64_t o = 0; o < all.group; o += step) {
    GradTileArgs<A> a = all;
    a.dy += o;
    a.dweight += o;
    if (all.group == kBlock8) {
      conv_grad_tiles<A, kNarrow, 1>(a, taps, channels);
    } else if (all.group >= 2 * kLanes) {
      conv_grad_tiles<A, kLanes, 2>(a, taps, channels);
    } else {
      conv_grad_tiles<A, kLanes, 1>(a, taps, channels);
    }
  }
}

/// partial[part][group][in block][taps][8][group]: the blocks of one part, added up in order.
template <class T>
void add_part(const Conv3dTiling& t, const Conv3dTaps& taps, const Conv3dGradWeightArgs<T>& a, std::int64_t task,
              Acc<T>* scratch) {
  const std::int64_t in_block = task % t.in.blocks();
  const std::int64_t group = task / t.in.blocks() % t.groups;
  const std::int64_t part = task / t.in.blocks() / t.groups;
  Acc<T>* const partial = a.scratch.data() + task * t.taps * kBlock8 * t.group;
  Acc<T>* const dy = scratch + t.gathered_elements();
  std::fill_n(partial, t.taps * kBlock8 * t.group, Acc<T>{0});
  for (std::int64_t i = t.blocks() * part / t.parts; i < t.blocks() * (part + 1) / t.parts; ++i) {
    const ConvBlock at = conv_block(t, i);
    gather(t, at, in_block, a.x.data(), scratch);
    gather_gradient(t, at, group, a.dy.data(), dy);
    multiply_group(GradTileArgs<Acc<T>>{.x = scratch,
                                        .dy = dy,
                                        .dweight = partial,
                                        .offset = taps.offset.data(),
                                        .planes = at.d_end - at.d_begin,
                                        .rows = at.h_end - at.h_begin,
                                        .width = t.lattice_w,
                                        .x_plane = t.in_step * t.plane_elements(),
                                        .x_row = t.in_step * t.row_elements(),
                                        .group = t.group},
                   t.taps, t.in.channels_in(in_block));
  }
}

template <class T> void grad_weight_tiled(const IsaQueue& q, const Conv3dGradWeightArgs<T>& a) {
  const Conv3dTiling t = conv3d_tiling(a.geometry, Conv3dPass::grad_weight);
  const Conv3dTaps taps = conv3d_taps(a.geometry, t);
  const std::int64_t tasks = t.tasks();
  const std::int64_t workers = std::min<std::int64_t>(q.threads, tasks);
  Acc<T>* const scratch = a.scratch.data();
  parallel_for(q, workers, [&](std::int64_t worker) {  // each with its own scratch; the split changes no result
    Acc<T>* const mine = scratch + t.shared_elements() + worker * t.worker_elements();
    for (std::int64_t i = tasks * worker / workers; i < tasks * (worker + 1) / workers; ++i) {
      add_part(t, taps, a, i, mine);
    }
  });
  unpack_weight(q, t, scratch, a.dweight.data());
}

}  // namespace

template <class T> void conv3d_grad_weight(IsaQueue& q, const Conv3dGradWeightArgs<T>& a) {
  if (a.algorithm == Conv3dAlgorithm::direct) { return conv3d_grad_weight_direct(q, a); }
  grad_weight_tiled(q, a);
}

VOX_INSTANTIATE(IsaQueue, conv3d_grad_weight, Conv3dGradWeightArgs);

}  // namespace vox
