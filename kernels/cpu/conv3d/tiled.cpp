#include "kernels/cpu/conv3d/tiled.h"

#include "kernels/base/parallel.h"
#include "kernels/cpu/conv3d/epilogue.h"
#include "kernels/cpu/conv3d/gather.h"
#include "kernels/cpu/conv3d/pack.h"
#include "kernels/cpu/conv3d/tile.h"

namespace vox {
namespace {

template <class T> struct TiledConv {
  const Conv3dTiling& tiling;
  const Conv3dTaps& taps;
  VolumeParts<const T> in;
  const Acc<T>* weight;  ///< packed
  const Acc<T>* bias;    ///< packed: [groups][group]
  VolumeParts<T> out;
  Conv3dEpilogue epilogue;
};

/// acc of one class and one group over a gathered block of `planes` planes of `rows` rows.
template <class A, int Lanes, int Vectors, int Run>
void multiply(const Conv3dTiling& t, ConvTileArgs<A> a, std::int64_t planes, std::int64_t rows, std::int64_t acc_plane,
              std::int64_t width, Ahead& ahead) {
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
        a.acc = acc + plane * acc_plane + o / kBlock8 * a.acc_block + o % kBlock8;
        a.start = block == 0 ? bias + o : nullptr;
        ConvTiles<A, Lanes, Vectors, Run>::run(a, rows, width, ahead);
      }
    }
  }
}

/// Picks the widest vectors a group fills, and three taps at a time where their weights leave registers for the tile.
template <class A>
void multiply_group(const Conv3dTiling& t, const ConvTileArgs<A>& a, std::int64_t run, std::int64_t planes,
                    std::int64_t rows, std::int64_t acc_plane, std::int64_t width, Ahead& ahead) {
  constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(A));
  const auto with = [&]<int Lanes, int Vectors>(std::integer_sequence<int, Lanes, Vectors>) {
    if constexpr (kRegisters >= 16 * Vectors) {
      if (run == 3) { return multiply<A, Lanes, Vectors, 3>(t, a, planes, rows, acc_plane, width, ahead); }
    }
    multiply<A, Lanes, Vectors, 1>(t, a, planes, rows, acc_plane, width, ahead);
  };
  if (t.group >= 2 * kLanes) {
    with(std::integer_sequence<int, kLanes, 2>{});
  } else if constexpr (kLanes > 8) {
    t.group > 8 ? with(std::integer_sequence<int, kLanes, 1>{}) : with(std::integer_sequence<int, 8, 1>{});
  } else {
    with(std::integer_sequence<int, kLanes, 1>{});
  }
}

/// The part of a block that a class writes.
struct Written {
  std::int64_t planes;
  std::int64_t rows;
  std::int64_t width;
  std::int64_t first;  ///< its first voxel in a block of the output, in elements
};
[[nodiscard]] Written written(const Conv3dTiling& t, const ConvBlock& at, const Conv3dTaps::Class& c) {
  const std::int64_t step = t.out_step;
  return {
      .planes = std::min(at.d_end, c.extent[0]) - at.d_begin,
      .rows = std::min(at.h_end, c.extent[1]) - at.h_begin,
      .width = c.extent[2],
      .first = (((at.d_begin * step + c.first[0]) * t.out.h + at.h_begin * step + c.first[1]) * t.out.w + c.first[2]) *
               kBlock8};
}

/// Writes acc [group/8][planes][rows][width][8] to the output; padding channels become zero.
template <class T>
void scatter(const TiledConv<T>& conv, const ConvBlock& at, const Written& to, std::int64_t group, const Acc<T>* acc) {
  const Conv3dTiling& t = conv.tiling;
  const std::int64_t step = t.out_step * kBlock8;
  for (std::int64_t part = 0; part < t.group / kBlock8; ++part) {
    const std::int64_t block = group * (t.group / kBlock8) + part;
    if (block >= t.out.blocks()) { break; }
    const std::int64_t present = t.out.channels_in(block);
    const Acc<T>* from = acc + part * to.planes * to.rows * to.width * kBlock8;
    T* const first = conv.out.at(at.n, block) + to.first;
    for (std::int64_t plane = 0; plane < to.planes; ++plane) {
      for (std::int64_t r = 0; r < to.rows; ++r) {
        T* y = first + (plane * t.out.h + r) * t.out.w * step;
        for (std::int64_t w = 0; w < to.width; ++w, from += kBlock8, y += step) {
          for (std::int64_t i = 0; i < kBlock8; ++i) { y[i] = store<T>(i < present ? from[i] : Acc<T>{0}); }
        }
      }
    }
  }
}

/// One class and one group of a gathered block. Sums go straight to the output where it can hold them: in the
/// accumulator type, every channel of the group a real one, all in one tensor.
template <class T>
void run_group(const TiledConv<T>& conv, const ConvBlock& at, const Conv3dTaps::Class& c, std::int64_t group,
               const Acc<T>* gathered, Acc<T>* acc, std::int64_t lines, Ahead& ahead) {
  const Conv3dTiling& t = conv.tiling;
  const Written to = written(t, at, c);
  if (to.planes <= 0 || to.rows <= 0 || to.width <= 0) { return; }
  const std::int64_t weight_block = t.taps * kBlock8 * t.group;
  ConvTileArgs<Acc<T>> a{
      .x = gathered,
      .weight = conv.weight + group * t.in.blocks() * weight_block + c.begin * kBlock8 * t.group,
      .acc = acc,
      .start = conv.bias + group * t.group,
      .offset = conv.taps.offset.data() + c.begin,
      .taps = c.end - c.begin,
      .blocks = 0,
      .last_channels = 0,
      .x_block = t.gathered_elements(),
      .x_row = t.in_step * t.row_elements(),
      .acc_block = to.planes * to.rows * to.width * kBlock8,
      .acc_row = to.width * kBlock8,
      .acc_step = kBlock8,
      .weight_block = weight_block,
      .group = t.group,
      .lines = lines,
      .prefetch = nullptr,
  };
  if constexpr (std::is_same_v<T, Acc<T>>) {
    const std::int64_t blocks = t.group / kBlock8;
    if ((group + 1) * t.group <= t.out.c && conv.out.together(group * blocks, blocks)) {
      a.acc = conv.out.at(at.n, group * blocks) + to.first;
      a.acc_block = t.out.voxels() * kBlock8;
      a.acc_row = t.out.w * t.out_step * kBlock8;
      a.acc_step = t.out_step * kBlock8;
      const std::int64_t acc_plane = t.out.h * t.out.w * t.out_step * kBlock8;
      return multiply_group(t, a, c.run, to.planes, to.rows, acc_plane, to.width, ahead);
    }
  }
  multiply_group(t, a, c.run, to.planes, to.rows, to.rows * a.acc_row, to.width, ahead);
  scatter(conv, at, to, group, acc);
}

/// What is done to a group's channels of a block of a correlation, which has one class, once they are there.
template <class T> void finish(const TiledConv<T>& conv, const ConvBlock& at, std::int64_t number, std::int64_t group) {
  const Conv3dTiling& t = conv.tiling;
  const Written to = written(t, at, conv.taps.classes[0]);
  const std::int64_t blocks = t.group / kBlock8;
  for (std::int64_t block = group * blocks; block < std::min((group + 1) * blocks, t.out.blocks()); ++block) {
    finish_box(conv.epilogue, FinishedBox<T>{.first = conv.out.at(at.n, block) + to.first,
                                             .planes = to.planes,
                                             .rows = to.rows,
                                             .width = to.width,
                                             .plane = t.out.h * t.out.w * kBlock8,
                                             .row = t.out.w * kBlock8,
                                             .block = block,
                                             .number = number,
                                             .boxes = t.blocks()});
  }
}

/// Cache lines to fetch per run of taps, so that the next block is there when this one is done.
[[nodiscard]] std::int64_t lines_per_run(const Conv3dTiling& t, std::int64_t groups, std::int64_t lines) {
  constexpr std::int64_t kNominalTile = 24 * 16;  // voxels by channels; the true one depends on the instruction set
  constexpr std::int64_t kMost = 4;
  const std::int64_t runs = t.voxels() * groups * t.group / kNominalTile * t.in.blocks() * t.taps / 3;
  return std::min(lines / std::max<std::int64_t>(runs, 1) + 1, kMost);
}

/// One block, all classes, some groups.
template <class T> void run_task(const TiledConv<T>& conv, std::int64_t task, bool more, Acc<T>* scratch) {
  const Conv3dTiling& t = conv.tiling;
  const ConvBlock at = conv_block(t, task % t.blocks());
  const std::int64_t first_group = task / t.blocks() * t.groups_per_task;
  const std::int64_t last_group = std::min(first_group + t.groups_per_task, t.groups);
  for (std::int64_t b = 0; b < t.in.blocks(); ++b) { gather(t, at, b, conv.in, scratch + b * t.gathered_elements()); }
  Ahead ahead;
  if (more) { ahead = Ahead(t, conv_block(t, (task + 1) % t.blocks()), 0, t.in.blocks(), conv.in); }
  const std::int64_t lines = lines_per_run(t, last_group - first_group, ahead.lines());
  for (std::int64_t i = 0; i < conv.taps.class_count; ++i) {
    for (std::int64_t group = first_group; group < last_group; ++group) {
      run_group(conv, at, conv.taps.classes[static_cast<std::size_t>(i)], group, scratch,
                scratch + t.in.blocks() * t.gathered_elements(), lines, ahead);
      if (t.pass == Conv3dPass::correlate) { finish(conv, at, task % t.blocks(), group); }
    }
  }
}

}  // namespace

template <class T> void convolve_tiled(const IsaQueue& q, const TiledConvArgs<T>& a) {
  const Conv3dTiling t = conv3d_tiling(a.geometry, a.pass, q.threads);
  const Conv3dTaps taps = conv3d_taps(a.geometry, t);
  pack_weight<T>(q, t, taps, a.weight, a.bias, a.scratch);
  const TiledConv<T> conv{.tiling = t,
                          .taps = taps,
                          .in = a.in,
                          .weight = a.scratch,
                          .bias = a.scratch + t.packed_elements() - t.groups * t.group,
                          .out = a.out,
                          .epilogue = a.epilogue};
  const std::int64_t tasks = t.tasks();
  parallel_tasks(q, tasks, [&](int worker, std::int64_t i) {
    run_task(conv, i, i + 1 < tasks, a.scratch + t.shared_elements() + worker * t.worker_elements());
  });
}

template void convolve_tiled(const IsaQueue&, const TiledConvArgs<float>&);
VOX_OF_F64(template void convolve_tiled(const IsaQueue&, const TiledConvArgs<double>&);)
template void convolve_tiled(const IsaQueue&, const TiledConvArgs<Bf16>&);

}  // namespace vox
