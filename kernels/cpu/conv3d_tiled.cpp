#include "kernels/cpu/conv3d_tiled.h"

#include "kernels/cpu/conv3d_gather.h"
#include "kernels/cpu/conv3d_tile.h"
#include "kernels/parallel.h"

// conv3d and its adjoint by blocks: gather the input rows of a block with their halo, multiply tiles of voxels by
// packed weights, write the block. Both passes run the same code; only their lattices differ (kernels/conv3d_plan.h).

namespace vox {
namespace {

template <class T> struct TiledConv {
  const Conv3dTiling& tiling;
  const Conv3dTaps& taps;
  const T* in;
  const Acc<T>* weight;  ///< packed
  const Acc<T>* bias;    ///< packed: [groups][group]
  T* out;
};

/// Element [o][i][tap] of the weight, with o an output and i an input of the pass.
[[nodiscard]] inline std::int64_t weight_at(const Conv3dTiling& t, std::int64_t o, std::int64_t i, std::int64_t tap) {
  const std::int64_t row = t.pass == Conv3dPass::spread ? i * t.out.c + o : o * t.in.c + i;
  return row * t.taps + tap;
}

/// [groups][in blocks][taps][8][group] from PyTorch's order, rounded to T; channels that do not exist are zero.
template <class T>
void pack_weight(const IsaQueue& q, const Conv3dTiling& t, const Conv3dTaps& taps, const Acc<T>* weight,
                 const Acc<T>* bias, Acc<T>* packed) {
  parallel_for(q, t.groups * t.in.blocks(), [&](std::int64_t task) {
    const std::int64_t first_o = task / t.in.blocks() * t.group;
    const std::int64_t first_i = task % t.in.blocks() * kBlock8;
    const std::int64_t present = std::min(t.group, t.out.c - first_o);
    Acc<T>* const to = packed + task * t.taps * kBlock8 * t.group;
    for (std::int64_t c = 0; c < kBlock8; ++c) {
      for (std::int64_t k = 0; k < t.taps; ++k) {
        Acc<T>* const row = to + (k * kBlock8 + c) * t.group;
        std::fill_n(row, t.group, Acc<T>{0});
        if (first_i + c >= t.in.c) { continue; }
        const Acc<T>* const from = weight + weight_at(t, first_o, first_i + c, taps.tap[static_cast<std::size_t>(k)]);
        const std::int64_t step = weight_at(t, 1, 0, 0);
        for (std::int64_t o = 0; o < present; ++o) { row[o] = load(store<T>(from[o * step])); }
      }
    }
  });
  Acc<T>* const to = packed + t.groups * t.in.blocks() * t.taps * kBlock8 * t.group;
  for (std::int64_t o = 0; o < t.groups * t.group; ++o) {
    to[o] = bias != nullptr && o < t.out.c ? bias[o] : Acc<T>{0};
  }
}

/// acc[voxel][group] of one class and one group over a gathered block.
template <class A, int Lanes, int Vectors>
void multiply(const Conv3dTiling& t, ConvTileArgs<A> a, std::int64_t planes, std::int64_t rows, std::int64_t width) {
  const A* const x = a.x;
  const A* const weight = a.weight;
  A* const acc = a.acc;
  const A* const bias = a.start;
  const std::int64_t in_blocks = t.in.blocks();
  for (std::int64_t block = 0; block < in_blocks; block += t.chunk) {
    a.blocks = std::min(t.chunk, in_blocks - block);
    a.last_channels = t.in.channels_in(block + a.blocks - 1);
    for (std::int64_t plane = 0; plane < planes; ++plane) {
      for (std::int64_t o = 0; o < t.group; o += Lanes * Vectors) {
        a.x = x + block * t.gathered_elements() + plane * t.in_step * t.plane_elements();
        a.weight = weight + block * a.weight_block + o;
        a.acc = acc + plane * rows * a.acc_row + o;
        a.start = block == 0 ? bias + o : nullptr;
        ConvTiles<A, Lanes, Vectors>::run(a, rows, width);
      }
    }
  }
}

template <class A>
void multiply_group(const Conv3dTiling& t, const ConvTileArgs<A>& a, std::int64_t planes, std::int64_t rows,
                    std::int64_t width) {
  constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(A));
  if (t.group == kBlock8) {
    constexpr int kNarrow = kLanes < 8 ? kLanes : 8;
    multiply<A, kNarrow, (8 / kNarrow < 2 ? 8 / kNarrow : 2)>(t, a, planes, rows, width);
  } else if (t.group >= 2 * kLanes) {
    multiply<A, kLanes, 2>(t, a, planes, rows, width);
  } else {
    multiply<A, kLanes, 1>(t, a, planes, rows, width);
  }
}

/// Writes acc[voxel][group] of one class to the blocks of the output; padding channels become zero.
template <class T>
void scatter(const TiledConv<T>& conv, const ConvBlock& at, const Conv3dTaps::Class& c, std::int64_t group,
             const Acc<T>* acc) {
  const Conv3dTiling& t = conv.tiling;
  const std::int64_t d_end = std::min(at.d_end, c.extent[0]);
  const std::int64_t h_end = std::min(at.h_end, c.extent[1]);
  const std::int64_t width = c.extent[2];
  const std::int64_t step = t.out_step;
  for (std::int64_t part = 0; part < t.group / kBlock8; ++part) {
    const std::int64_t block = group * (t.group / kBlock8) + part;
    if (block >= t.out.blocks()) { break; }
    const std::int64_t present = t.out.channels_in(block);
    const Acc<T>* from = acc + part * kBlock8;
    for (std::int64_t d = at.d_begin; d < d_end; ++d) {
      for (std::int64_t h = at.h_begin; h < h_end; ++h) {
        const std::int64_t row = ((d * step + c.first[0]) * t.out.h + h * step + c.first[1]) * t.out.w + c.first[2];
        T* to = conv.out + t.out.offset(at.n, block, row);
        for (std::int64_t w = 0; w < width; ++w, from += t.group, to += step * kBlock8) {
          if (present == kBlock8) {
            for (std::int64_t i = 0; i < kBlock8; ++i) { to[i] = store<T>(from[i]); }
          } else {
            for (std::int64_t i = 0; i < kBlock8; ++i) { to[i] = store<T>(i < present ? from[i] : Acc<T>{0}); }
          }
        }
      }
    }
  }
}

/// One block, all classes, some groups.
template <class T> void run_task(const TiledConv<T>& conv, std::int64_t task, Acc<T>* scratch) {
  const Conv3dTiling& t = conv.tiling;
  const ConvBlock at = conv_block(t, task % t.blocks());
  const std::int64_t first_group = task / t.blocks() * t.groups_per_task;
  const std::int64_t last_group = std::min(first_group + t.groups_per_task, t.groups);
  Acc<T>* const acc = scratch + t.in.blocks() * t.gathered_elements();
  for (std::int64_t b = 0; b < t.in.blocks(); ++b) { gather(t, at, b, conv.in, scratch + b * t.gathered_elements()); }
  for (std::int64_t i = 0; i < conv.taps.class_count; ++i) {
    const Conv3dTaps::Class& c = conv.taps.classes[static_cast<std::size_t>(i)];
    const std::int64_t planes = std::min(at.d_end, c.extent[0]) - at.d_begin;
    const std::int64_t rows = std::min(at.h_end, c.extent[1]) - at.h_begin;
    if (planes <= 0 || rows <= 0 || c.extent[2] <= 0) { continue; }
    for (std::int64_t group = first_group; group < last_group; ++group) {
      const std::int64_t weight_block = t.taps * kBlock8 * t.group;
      multiply_group(t,
                     ConvTileArgs<Acc<T>>{
                         .x = scratch,
                         .weight = conv.weight + group * t.in.blocks() * weight_block + c.begin * kBlock8 * t.group,
                         .acc = acc,
                         .start = conv.bias + group * t.group,
                         .offset = conv.taps.offset.data() + c.begin,
                         .taps = c.end - c.begin,
                         .blocks = 0,
                         .last_channels = 0,
                         .x_block = t.gathered_elements(),
                         .x_row = t.in_step * t.row_elements(),
                         .acc_row = c.extent[2] * t.group,
                         .weight_block = weight_block,
                         .group = t.group},
                     planes, rows, c.extent[2]);
      scatter(conv, at, c, group, acc);
    }
  }
}

}  // namespace

template <class T> void convolve_tiled(const IsaQueue& q, const TiledConvArgs<T>& a) {
  const Conv3dTiling t = conv3d_tiling(a.geometry, a.pass);
  const Conv3dTaps taps = conv3d_taps(a.geometry, t);
  pack_weight<T>(q, t, taps, a.weight, a.bias, a.scratch);
  const TiledConv<T> conv{.tiling = t,
                          .taps = taps,
                          .in = a.in,
                          .weight = a.scratch,
                          .bias = a.scratch + t.packed_elements() - t.groups * t.group,
                          .out = a.out};
  const std::int64_t tasks = t.tasks();
  const std::int64_t workers = std::min<std::int64_t>(q.threads, tasks);
  parallel_for(q, workers, [&](std::int64_t worker) {  // each with its own scratch; the split changes no result
    Acc<T>* const mine = a.scratch + t.shared_elements() + worker * t.worker_elements();
    for (std::int64_t i = tasks * worker / workers; i < tasks * (worker + 1) / workers; ++i) {
      run_task(conv, i, mine);
    }
  });
}

template void convolve_tiled(const IsaQueue&, const TiledConvArgs<float>&);
template void convolve_tiled(const IsaQueue&, const TiledConvArgs<double>&);
template void convolve_tiled(const IsaQueue&, const TiledConvArgs<Bf16>&);

}  // namespace vox
