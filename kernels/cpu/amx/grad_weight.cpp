#include "kernels/base/parallel.h"
#include "kernels/cpu/amx/convolve.h"
#include "kernels/cpu/amx/multiply_grad.h"
#include "kernels/cpu/amx/stage_grad_dy.h"
#include "kernels/cpu/amx/stage_grad_x.h"

namespace vox {
namespace {

constexpr std::int64_t kTile = kAmxRows * kAmxColumns;
constexpr std::int64_t kMaxTaps = 27 * 64;  // of 1024 input channels

/// A worker's memory, and what it does beside multiplying: it stages the planes that come next.
template <class T> struct Worker {
  Worker(const AmxGradWeight& g, const Conv3dGradWeightArgs<T>& a, float* scratch)
      : x_staged(reinterpret_cast<Bf16*>(scratch)),
        dy_staged(x_staged + g.x_staged_planes * g.x_plane()),
        x(g, x_side(a.geometry, a.x, a.x2), x_staged),
        dy(g, a.dy.data(), dy_staged) {}
  void step() {
    if constexpr (std::is_same_v<T, float>) {
      stages_x = !stages_x;
      (stages_x || dy.done()) && !x.done() ? x.step() : dy.step();
    } else {  // fewer products: there is less time
      x.step();
      dy.step();
    }
  }
  void drain() {
    x.drain();
    dy.drain();
  }
  Bf16* const x_staged;
  Bf16* const dy_staged;
  AmxGradXStager<T> x;
  AmxGradDyStager<T> dy;
  bool stages_x = false;  ///< what the last turn did
};

/// Where the taps of `columns` tiles of input channels read x, tile by tile.
std::int64_t list_taps(const AmxGradWeight& g, std::int64_t columns, GradTap* to) {
  std::int64_t count = 0;
  for (std::int64_t column = 0; column < columns; ++column) {
    for (std::int64_t i = 0; i < g.taps(); ++i) {
      const std::int64_t kh = g.copies == 3 ? i % 3 : i / 3 % 3;
      const std::int64_t kw = g.copies == 3 ? 0 : i % 3;  // a tile of three taps has them along W
      to[count++] = {.kd = g.copies == 3 ? i / 3 : i / 9,
                     .at = column * g.x_column() + (kh * g.pitch + kw) * kAmxDepth};
    }
  }
  return count;
}

template <int Parts, class T>
void add_rows(const AmxGradWeight& g, const GradStretch& s, const GradTap* taps, std::int64_t count, std::int64_t rows,
              const Bf16* dy, float* sums, Worker<T>& worker) {
  std::int64_t i = 0;
  if (rows == 2) {
    for (; i + 2 <= count && count - i != 3; i += 2) {
      add_square<Parts>(s, taps + i, dy, g.dy_row(), sums + i * kTile, g.sum_row(), worker);
    }
  }
  while (i < count) {
    const std::int64_t left = count - i;
    const std::int64_t here = left == 9 || left == 6 || left == 5 ? 3 : std::min<std::int64_t>(left, 4);
    for (std::int64_t row = 0; row < rows; ++row) {
      const Bf16* const of = dy + row * g.dy_row();
      float* const to = sums + row * g.sum_row() + i * kTile;
      switch (here) {
        case 1:
          add_row<Parts, 1>(s, taps + i, of, to, worker);
          break;
        case 2:
          add_row<Parts, 2>(s, taps + i, of, to, worker);
          break;
        case 3:
          add_row<Parts, 3>(s, taps + i, of, to, worker);
          break;
        default:
          add_row<Parts, 4>(s, taps + i, of, to, worker);
      }
    }
    i += here;
  }
}

/// Adds pairs of planes [plane,plane+s.planes) of a box up, in stretches whose dy stays in L1.
template <class T>
void add_planes(const AmxGradWeight& g, const AmxBox& box, std::int64_t plane, GradStretch& s, const GradTap* taps,
                std::int64_t count, std::int64_t rows, float* sums, Worker<T>& worker) {
  constexpr std::int64_t kStretch = 6;  // sixteens of pairs
  for (std::int64_t i = 0; i < s.planes + 2; ++i) { s.x_at[i] = (plane + i) % g.x_staged_planes * g.x_plane(); }
  for (std::int64_t i = 0; i < s.planes; ++i) { s.dy_at[i] = (plane + i) % g.dy_staged_planes * g.dy_plane(); }
  const std::int64_t all = g.positions(box.h_end - box.h_begin) / kAmxRows;
  const std::int64_t stretches = (all + kStretch - 1) / kStretch;
  for (std::int64_t stretch = 0; stretch < stretches; ++stretch) {
    s.first = all * stretch / stretches;
    s.last = all * (stretch + 1) / stretches;
    for (std::int64_t row = 0; row < rows; row += 2) {
      const std::int64_t here = std::min<std::int64_t>(rows - row, 2);
      const Bf16* const dy = worker.dy_staged + row * g.dy_row();
      float* const to = sums + row * g.sum_row();
      g.halves == 2 ? add_rows<2>(g, s, taps, count, here, dy, to, worker)
                    : add_rows<1>(g, s, taps, count, here, dy, to, worker);
    }
  }
}

/// dweight of 16 by 16 channels: its partial sums, added in order.
void unpack(const AmxGradWeight& g, std::int64_t row, std::int64_t column, const float* sums, float* dweight) {
  constexpr std::int64_t kPitch = 32;  // of the taps of one weight kernel
  alignas(64) float kernels[kAmxColumns * kPitch];
  const std::int64_t outputs = std::min(kAmxRows, g.dy.c - row * kAmxRows);
  const std::int64_t channels = std::min(kAmxColumns, g.x.c - column * kAmxColumns);
  const float* const from = sums + row * g.sum_row() + column * g.taps() * kTile;
  for (std::int64_t o = 0; o < outputs; ++o) {
    const auto sum_of = [&](std::int64_t tap) VOX_INLINED {
      const std::int64_t at = tap * kTile + o * kAmxColumns;
      __m512 sum = _mm512_load_ps(from + at);
      for (std::int64_t part = 1; part < g.sums; ++part) {
        sum = _mm512_add_ps(sum, _mm512_load_ps(from + part * g.sum_floats() + at));
      }
      return sum;
    };
    for (std::int64_t first = 0; first < g.taps() && g.copies == 1; first += 16) {
      __m512i taps[16];  // of sixteen channels
      for (std::int64_t i = 0; i < 16; ++i) {
        taps[i] = _mm512_castps_si512(first + i < g.taps() ? sum_of(first + i) : _mm512_setzero_ps());
      }
      transpose16(taps);
      unrolled<16>([&](auto i) VOX_INLINED { _mm512_store_si512(kernels + i * kPitch + first, taps[i]); });
    }
    for (std::int64_t tap = 0; tap < g.taps() && g.copies == 3; ++tap) {
      alignas(64) float copies[kAmxColumns];
      _mm512_store_ps(copies, sum_of(tap));
      for (std::int64_t i = 0; i < channels; ++i) {
        for (std::int64_t kw = 0; kw < 3; ++kw) { kernels[i * kPitch + tap * 3 + kw] = copies[kw * 4 + i]; }
      }
    }
    float* const to = dweight + ((row * kAmxRows + o) * g.x.c + column * kAmxColumns) * 27;
    for (std::int64_t i = 0; i < channels; ++i) {
      __builtin_memcpy(to + i * 27, kernels + i * kPitch, 27 * sizeof(float));
    }
  }
}

template <class T>
void run_task(const AmxGradWeight& g, const Conv3dGradWeightArgs<T>& a, std::int64_t task, Worker<T>& worker) {
  const std::int64_t column_share = task % g.column_shares();
  const std::int64_t row_share = task / g.column_shares() % g.row_shares();
  const std::int64_t part = task / g.column_shares() / g.row_shares();
  const std::int64_t first_row = row_share * g.rows_per_task;
  const std::int64_t rows = std::min(g.rows_per_task, g.rows - first_row);
  const std::int64_t first_column = column_share * g.columns_per_task;
  const std::int64_t columns = std::min(g.columns_per_task, g.columns - first_column);
  float* const sums =
      a.scratch.data() + part * g.sum_floats() + first_row * g.sum_row() + first_column * g.taps() * kTile;
  GradTap taps[kMaxTaps];
  const std::int64_t count = list_taps(g, columns, taps);
  GradStretch s{.x = worker.x_staged, .x_low = g.x_half(), .dy_low = g.dy_half(), .row_bytes = g.length * 4};
  for (std::int64_t row = 0; row < rows; ++row) { std::fill_n(sums + row * g.sum_row(), count * kTile, 0.0F); }
  worker.x.select(first_column, columns);
  worker.dy.select(first_row, rows);
  for (std::int64_t i = g.box_count() * part / g.sums; i < g.box_count() * (part + 1) / g.sums; ++i) {
    const AmxBox box = amx_box(g.boxes, g.dy, i);
    const std::int64_t depth = AmxGradWeight::pairs(box.d_end - box.d_begin);
    const auto begin = [&](std::int64_t x_plane, std::int64_t plane, std::int64_t end) {
      worker.x.begin(box, x_plane, std::min(end, depth) + 2);
      worker.dy.begin(box, plane, std::min(end, depth));
    };
    begin(0, 0, g.together);
    worker.drain();
    for (std::int64_t d = 0; d < depth; d += g.together) {
      s.planes = std::min(g.together, depth - d);
      begin(d + g.together + 2, d + g.together, d + 2 * g.together);
      memory_barrier();
      add_planes(g, box, d, s, taps, count, rows, sums, worker);
      worker.drain();
    }
  }
  for (std::int64_t row = first_row; row < first_row + rows && g.sums == 1; ++row) {
    for (std::int64_t column = first_column; column < first_column + columns; ++column) {
      unpack(g, row, column, a.scratch.data(), a.dweight.data());
    }
  }
}

}  // namespace

template <class T> void conv3d_grad_weight_amx(const CpuIsaQueue<Isa::amx>& q, const Conv3dGradWeightArgs<T>& a) {
  const AmxGradWeight g = amx_grad_weight(a.geometry, std::is_same_v<T, float>, q.threads);
  const std::int64_t tasks = g.tasks();
  if (g.box_count() == 0) {
    std::ranges::fill(a.dweight, 0.0F);
    return;
  }
  const std::int64_t workers = std::min<std::int64_t>(q.threads, tasks);
  float* const scratch = a.scratch.data();
  parallel_for(q, workers, [&](std::int64_t worker) {  // each with its own scratch; the split changes no result
    const TileScope tiles;
    Worker<T> mine(g, a, scratch + g.shared_floats() + worker * g.worker_floats());
    for (std::int64_t i = tasks * worker / workers; i < tasks * (worker + 1) / workers; ++i) {
      run_task(g, a, i, mine);
    }
  });
  if (g.sums == 1) { return; }  // the tasks have done it
  parallel_for(q, g.rows * g.columns,
               [&](std::int64_t i) { unpack(g, i / g.columns, i % g.columns, scratch, a.dweight.data()); });
}

template void conv3d_grad_weight_amx(const CpuIsaQueue<Isa::amx>&, const Conv3dGradWeightArgs<float>&);
template void conv3d_grad_weight_amx(const CpuIsaQueue<Isa::amx>&, const Conv3dGradWeightArgs<Bf16>&);

}  // namespace vox
