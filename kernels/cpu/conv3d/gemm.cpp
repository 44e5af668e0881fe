#include "kernels/cpu/conv3d/gemm.h"

#include <algorithm>

#include "kernels/base/bf16.h"
#include "kernels/base/parallel.h"
#include "kernels/cpu/conv3d/gemm_grad_tile.h"
#include "kernels/cpu/conv3d/gemm_tile.h"

namespace vox {
namespace {

/// One side of the product: where its runs lie in a volume.
struct Side {
  const GemmPlan& w;
  bool fine;

  [[nodiscard]] const VolumeShape& shape() const { return fine ? w.fine : w.coarse; }
  [[nodiscard]] std::int64_t run() const { return fine ? w.run() : kBlock8; }
  [[nodiscard]] std::int64_t runs() const { return fine ? w.fine_runs() : w.coarse.blocks(); }
  [[nodiscard]] std::int64_t columns() const { return runs() * run(); }
  [[nodiscard]] std::int64_t offset(std::int64_t row, std::int64_t of_run) const {
    return fine ? w.fine_offset(row, of_run) : w.coarse_offset(row, of_run);
  }
  [[nodiscard]] RunAxes axes() const {
    const VolumeShape& s = shape();
    return {.count = fine ? w.kernel : 1,
            .blocks = s.blocks(),
            .step_d = s.h * s.w * kBlock8,
            .step_h = s.w * kBlock8,
            .step_block = s.voxels() * kBlock8};
  }
};

/// Values of one row of windows in the accumulator type, and where their runs lie: the volume itself if it is of that
/// type, else a copy [runs][width][run].
template <class T> struct Row {
  const Acc<T>* at;
  RunAxes axes;
};
template <class T> Row<T> row_of(const Side& side, std::int64_t row, const T* volume, Acc<T>* scratch) {
  if constexpr (std::is_same_v<T, Acc<T>>) {
    return {volume + side.offset(row, 0), side.axes()};
  } else {
    const std::int64_t values = side.w.coarse.w * side.run();
    for (std::int64_t r = 0; r < side.runs(); ++r) {
      const T* const from = volume + side.offset(row, r);
      for (std::int64_t i = 0; i < values; ++i) { scratch[r * values + i] = load(from[i]); }
    }
    RunAxes axes = side.axes();
    axes.step_block = values;
    axes.step_h = axes.blocks * axes.step_block;
    axes.step_d = axes.count * axes.step_h;
    return {scratch, axes};
  }
}

/// Lanes and vectors that divide the columns of the output: what a tile computes together.
template <class A, class Body> void with_slab(std::int64_t columns, const Body& body) {
  constexpr int kWide = kVectorBytes / static_cast<int>(sizeof(A));
  constexpr int kNarrow = std::min<int>(kWide, 8);
  if (columns % (2 * kWide) == 0) { return body(std::integer_sequence<int, kWide, 2>{}); }
  if (columns % kWide == 0) { return body(std::integer_sequence<int, kWide, 1>{}); }
  body(std::integer_sequence<int, kNarrow, 1>{});
}

/// [slabs][in columns][slab], rounded to T, and the bias [out columns] after it.
template <class T>
void pack_gemm(const IsaQueue& q, const TiledConvArgs<T>& a, const Side& in, const Side& out, std::int64_t slab) {
  using A = Acc<T>;
  const GemmPlan& w = in.w;
  parallel_for(q, w.coarse_columns(), [&](std::int64_t o) {
    const auto place = [&](std::int64_t f) {
      const std::int64_t k = in.fine ? f : o;
      const std::int64_t c = in.fine ? o : f;
      return a.scratch + (c / slab * in.columns() + k) * slab + c % slab;
    };
    if (o >= w.coarse.c || w.fine.c % kBlock8 != 0) {
      for (std::int64_t f = 0; f < w.fine_columns(); ++f) { *place(f) = A{0}; }
    }
    if (o >= w.coarse.c) { return; }
    const A* weight = a.weight + o * w.fine.c * w.taps();
    for (std::int64_t i = 0; i < w.fine.c; ++i) {
      for (std::int64_t tap = 0; tap < w.taps(); ++tap) { *place(w.fine_column(i, tap)) = load(store<T>(*weight++)); }
    }
  });
  A* const bias = a.scratch + w.matrix_elements();
  for (std::int64_t c = 0; c < out.columns(); ++c) {
    const std::int64_t channel = c / out.run() % out.shape().blocks() * kBlock8 + c % kBlock8;
    bias[c] = a.bias != nullptr && channel < out.shape().c ? a.bias[channel] : A{0};
  }
}

template <class T, int Lanes, int Vectors>
void multiply_row(const TiledConvArgs<T>& a, const Side& in, const Side& out, std::int64_t row, Acc<T>* scratch) {
  constexpr int kSlab = Lanes * Vectors;
  const Row<T> from = row_of(in, row, a.in.first, scratch);
  const bool whole = in.shape().c % kBlock8 == 0 || in.run() > kBlock8;
  const auto place = [&](std::int64_t column) {
    return a.out.first + out.offset(row, column / out.run()) + column % out.run();
  };
  for (std::int64_t c = 0; c < out.columns(); c += kSlab) {
    std::array<Lane<Acc<T>>, static_cast<std::size_t>(kSlab)> present;
    bool all = true;
    for (std::int64_t i = 0; i < kSlab; ++i) {
      const bool is = (c + i) / out.run() % out.shape().blocks() * kBlock8 + (c + i) % kBlock8 < out.shape().c;
      present[static_cast<std::size_t>(i)] = is ? -1 : 0;
      all = all && is;
    }
    GemmTileArgs<T, Vectors> tile{.in = from.at,
                                  .weight = a.scratch + c * in.columns(),
                                  .bias = a.scratch + in.w.matrix_elements() + c,
                                  .runs = from.axes,
                                  .run = in.run(),
                                  .last_run = whole ? in.run() : in.shape().c % kBlock8,
                                  .out = {},
                                  .out_step = out.run(),
                                  .out_apart = Lanes > kBlock8 ? place(c + kBlock8) - place(c) : 0,
                                  .present = all ? nullptr : present.data()};
    for (int v = 0; v < Vectors; ++v) { tile.out[static_cast<std::size_t>(v)] = place(c + v * Lanes); }
    gemm_row<T, Lanes, Vectors>(tile, in.w.coarse.w);
  }
}

template <class A, int Lanes, int Vectors, int Channels> void add_columns(const GemmGradArgs<A>& all) {
  for (std::int64_t f = 0; f < all.run; f += Channels) {
    for (std::int64_t o = 0; o < all.columns; o += Lanes * Vectors) {
      GemmGradArgs<A> a = all;
      a.x += f;
      a.y += o;
      a.sum += f * a.columns + o;
      if (f + o > 0) { a.fetched = 0; }
      gemm_grad_tile<A, Lanes, Vectors, Channels>(a);
    }
  }
}

/// The voxels of a block, each as a part of a row of `columns`. Fetches as much as follows them.
template <class T> void spread_block(const T* from, std::int64_t voxels, std::int64_t columns, Acc<T>* to) {
  constexpr std::int64_t kFetchEvery = 64 / (kBlock8 * static_cast<std::int64_t>(sizeof(T)));
  for (std::int64_t v = 0; v < voxels; ++v) {
    if (v % kFetchEvery == 0) { __builtin_prefetch(from + (v + voxels) * kBlock8, 0, 3); }
    for (std::int64_t c = 0; c < kBlock8; ++c) { to[v * columns + c] = load(from[v * kBlock8 + c]); }
  }
}

/// Rows of x, which start `apart` elements apart, one after another.
template <class T> void widen_rows(const T* x, std::int64_t apart, std::int64_t rows, std::int64_t values, Acc<T>* to) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < values; ++k) { to[i * values + k] = load(x[i * apart + k]); }
  }
}

/// sum[fine columns][coarse columns] of a part of the rows and a share of the fine columns.
template <class T>
void add_gemm(const GemmPlan& w, const Conv3dGradWeightArgs<T>& a, std::int64_t task, Acc<T>* scratch) {
  using A = Acc<T>;
  const std::int64_t part = task / w.shares;
  const std::int64_t first = w.fine_runs() * (task % w.shares) / w.shares;
  const std::int64_t last = w.fine_runs() * (task % w.shares + 1) / w.shares;
  const std::int64_t columns = w.coarse_columns();
  A* const sum = a.scratch.data() + part * w.part_elements();
  A* const fine_sums = sum + w.matrix_elements();
  A* const coarse_sums = fine_sums + w.fine_columns();
  std::fill(fine_sums + first * w.run(), fine_sums + last * w.run(), A{0});
  const bool adds_coarse = !a.dy_sums.empty() && first == 0;
  if (adds_coarse) { std::fill_n(coarse_sums, columns, A{0}); }
  std::fill(sum + first * w.run() * columns, sum + last * w.run() * columns, A{0});
  A* const copied = scratch + w.batch_rows * columns * w.coarse.w;  // of x, where it must be widened
  const std::int64_t end = w.rows() * (part + 1) / w.parts;
  std::int64_t rows = 0;
  for (std::int64_t row = w.rows() * part / w.parts; row < end; row += rows) {
    rows = std::min({w.batch_rows, end - row, w.coarse.h - row % w.coarse.h});  // of one slice
    for (std::int64_t b = 0; b < w.coarse.blocks(); ++b) {
      A* const to = scratch + b * kBlock8;
      spread_block(a.dy.data() + w.coarse_offset(row, b), rows * w.coarse.w, columns, to);
      if (adds_coarse) { add_vectors(to, rows * w.coarse.w, columns, coarse_sums + b * kBlock8); }
    }
    for (std::int64_t r = first; r < last; ++r) {
      GemmGradArgs<A> all{.x = nullptr,
                          .y = scratch,
                          .sum = sum + r * w.run() * columns,
                          .rows = rows,
                          .width = w.coarse.w,
                          .run = w.run(),
                          .x_row = w.kernel * w.fine.w * kBlock8,
                          .columns = columns,
                          .fetch = nullptr,
                          .fetched = 0};
      const T* const x = a.x.data() + w.fine_offset(row, r);
      if constexpr (std::is_same_v<T, A>) {
        all.x = x;
        if (rows * all.x_row == rows * w.coarse.w * w.run()) {  // rows follow one another
          all.fetch = x + rows * all.x_row;
          all.fetched = rows * all.x_row;
        }
      } else {
        const std::int64_t values = w.fine.w * kBlock8;
        widen_rows(x, all.x_row, rows, values, copied);
        all.x = copied;
        all.x_row = values;
      }
      for (std::int64_t i = 0; i < rows && !a.x_sums.empty(); ++i) {
        for (std::int64_t half = 0; half < w.run(); half += kBlock8) {
          add_vectors(all.x + i * all.x_row + half, w.coarse.w, w.run(), fine_sums + r * w.run() + half);
        }
      }
      with_slab<A>(columns, [&]<int Lanes, int Vectors>(std::integer_sequence<int, Lanes, Vectors>) {
        add_columns<A, Lanes, Vectors, kRegisters >= 32 || Vectors == 1 ? 8 : 4>(all);
      });
    }
  }
}

/// The sums of the channels of a side, from those of its columns in the parts, in order.
template <class A> void add_up(const Side& side, const A* sums, std::span<A> to) {
  if (to.empty()) { return; }
  std::fill(to.begin(), to.end(), A{0});
  for (std::int64_t part = 0; part < side.w.parts; ++part, sums += side.w.part_elements()) {
    for (std::int64_t i = 0; i < side.columns(); ++i) {
      const std::int64_t channel = i / side.run() % side.shape().blocks() * kBlock8 + i % kBlock8;
      if (channel < side.shape().c) { to.data()[channel] += sums[i]; }
    }
  }
}

}  // namespace

template <class T> void convolve_gemm(const IsaQueue& q, const TiledConvArgs<T>& a) {
  const GemmPlan w = gemm_plan(a.geometry, q.threads);
  const bool spread = a.pass == Conv3dPass::spread;
  const Side in{w, !spread};
  const Side out{w, spread};
  with_slab<Acc<T>>(out.columns(), [&]<int Lanes, int Vectors>(std::integer_sequence<int, Lanes, Vectors>) {
    pack_gemm(q, a, in, out, Lanes * Vectors);
    Acc<T>* const scratch = a.scratch + w.matrix_elements() + out.columns();
    parallel_tasks(q, w.rows(), [&](int worker, std::int64_t row) {
      multiply_row<T, Lanes, Vectors>(a, in, out, row, scratch + worker * w.worker_elements(a.pass));
    });
  });
}

template <class T> void grad_weight_gemm(const IsaQueue& q, const Conv3dGradWeightArgs<T>& a) {
  using A = Acc<T>;
  const GemmPlan w = gemm_plan(a.geometry, q.threads);
  A* const sums = a.scratch.data();
  parallel_tasks(q, w.parts * w.shares, [&](int worker, std::int64_t i) {
    add_gemm(w, a, i, sums + w.parts * w.part_elements() + worker * w.worker_elements(Conv3dPass::grad_weight));
  });
  parallel_for(q, w.coarse.blocks(), [&](std::int64_t block) {
    const std::int64_t first = block * kBlock8;
    for (std::int64_t at = 0; at < w.fine.c * w.taps(); ++at) {
      const A* const from = sums + w.fine_column(at / w.taps(), at % w.taps()) * w.coarse_columns() + first;
      Vector<A, 8> total{};
      for (std::int64_t part = 0; part < w.parts; ++part) {
        Vector<A, 8> one;
        load_vector(one, from + part * w.part_elements());
        total += one;
      }
      for (std::int64_t o = 0; o < w.coarse.channels_in(block); ++o) {
        a.dweight.data()[(first + o) * w.fine.c * w.taps() + at] = total[o];
      }
    }
  });
  add_up({w, true}, sums + w.matrix_elements(), a.x_sums);
  add_up({w, false}, sums + w.matrix_elements() + w.fine_columns(), a.dy_sums);
}

template void convolve_gemm(const IsaQueue&, const TiledConvArgs<float>&);
VOX_OF_F64(template void convolve_gemm(const IsaQueue&, const TiledConvArgs<double>&);)
template void convolve_gemm(const IsaQueue&, const TiledConvArgs<Bf16>&);
template void grad_weight_gemm(const IsaQueue&, const Conv3dGradWeightArgs<float>&);
VOX_OF_F64(template void grad_weight_gemm(const IsaQueue&, const Conv3dGradWeightArgs<double>&);)
template void grad_weight_gemm(const IsaQueue&, const Conv3dGradWeightArgs<Bf16>&);

}  // namespace vox
