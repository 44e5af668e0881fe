#include "kernels/cpu/amx/conv3d_amx.h"
#include "kernels/cpu/amx/stage_grad_dy.h"
#include "kernels/cpu/amx/stage_grad_x.h"
#include "kernels/parallel.h"

namespace vox {
namespace {

constexpr std::int64_t kTile = kAmxRows * kAmxColumns;

/// Three tiles of sums over a stretch of a staged plane, which differ in where they read x.
struct TapTiles {
  const Bf16* x[3];
  const Bf16* dy;
  float* sums[3];
  std::int64_t x_low;  ///< from the high parts to the low ones
  std::int64_t dy_low;
  std::int64_t first;  ///< positions of the plane
  std::int64_t last;
  std::int64_t row_bytes;  ///< of dy
  std::int64_t planes;     ///< neighbours that are added up together
  std::int64_t x_plane;    ///< from one to the next
  std::int64_t dy_plane;
  bool begins;  ///< the sums are zero as yet
};

template <int Parts> VOX_TILE void add_tiles(const TapTiles& t) {
  if (t.begins) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
  } else {
    _tile_loadd(0, t.sums[0], 64);
    _tile_loadd(1, t.sums[1], 64);
    _tile_loadd(2, t.sums[2], 64);
  }
  for (std::int64_t i = 0; i < t.planes; ++i) {
    const Bf16* const dy = t.dy + i * t.dy_plane;
    const Bf16* const x0 = t.x[0] + i * t.x_plane;
    const Bf16* const x1 = t.x[1] + i * t.x_plane;
    const Bf16* const x2 = t.x[2] + i * t.x_plane;
    for (std::int64_t p = t.first; p < t.last; p += kAmxDepth) {
      const std::int64_t at = p * kAmxColumns;
      _tile_loadd(3, dy + p, t.row_bytes);
      _tile_loadd(5, x0 + at, 64);
      _tile_dpbf16ps(0, 3, 5);
      _tile_loadd(6, x1 + at, 64);
      _tile_dpbf16ps(1, 3, 6);
      _tile_loadd(7, x2 + at, 64);
      _tile_dpbf16ps(2, 3, 7);
      if constexpr (Parts == 2) {
        _tile_loadd(4, dy + t.dy_low + p, t.row_bytes);
        _tile_dpbf16ps(0, 4, 5);
        _tile_dpbf16ps(1, 4, 6);
        _tile_dpbf16ps(2, 4, 7);
        _tile_loadd(5, x0 + t.x_low + at, 64);
        _tile_dpbf16ps(0, 3, 5);
        _tile_loadd(6, x1 + t.x_low + at, 64);
        _tile_dpbf16ps(1, 3, 6);
        _tile_loadd(7, x2 + t.x_low + at, 64);
        _tile_dpbf16ps(2, 3, 7);
      }
    }
  }
  _tile_stored(0, t.sums[0], 64);
  _tile_stored(1, t.sums[1], 64);
  _tile_stored(2, t.sums[2], 64);
}

/// All taps of 16 by 16 channels over the planes of a box, in stretches whose x and dy stay in L1. A tile of x that
/// holds three taps along W goes by three along H.
void add_taps(const AmxGradWeight& g, const Bf16* x, const Bf16* dy, std::int64_t planes, bool begins, float* sums) {
  constexpr std::int64_t kStretch = 8 * kAmxDepth;
  constexpr std::int64_t kShort = 4 * kAmxDepth;  // of a plane: not worth a load and a store of the sums
  const std::int64_t odd = g.parts * g.x_part();
  TapTiles t{.x = {},
             .dy = nullptr,
             .sums = {},
             .x_low = g.x_part(),
             .dy_low = g.dy_part(),
             .first = 0,
             .last = 0,
             .row_bytes = g.length * 2,
             .planes = g.length <= kShort ? planes : 1,
             .x_plane = g.x_plane(),
             .dy_plane = g.dy_plane(),
             .begins = begins};
  for (std::int64_t plane = 0; plane < planes; plane += t.planes) {
    t.dy = dy + plane * g.dy_plane();
    for (t.first = 0; t.first < g.length; t.first = t.last) {
      t.last = std::min(t.first + kStretch, g.length);
      for (std::int64_t i = 0; i < g.taps() / 3; ++i) {
        const Bf16* const from = x + (plane + (g.copies == 3 ? i : i / 3)) * g.x_plane();
        for (std::int64_t k = 0; k < 3; ++k) {
          // along W by 0, 1 (the odd pairing) or 2 positions, or along H where a tile has all three
          t.x[k] = g.copies == 3 ? from + k * g.pitch * kAmxColumns
                                 : from + i % 3 * g.pitch * kAmxColumns + (k == 1 ? odd : k * kAmxColumns);
          t.sums[k] = sums + (i * 3 + k) * kTile;
        }
        g.parts == 2 ? add_tiles<2>(t) : add_tiles<1>(t);
      }
      t.begins = false;
    }
  }
}

/// dweight of 16 by 16 channels: its partial sums, added in order.
void unpack(const AmxGradWeight& g, std::int64_t row, std::int64_t column, const float* sums, float* dweight) {
  constexpr std::int64_t kPitch = 32;  // of the taps of one weight kernel
  alignas(64) float kernels[kAmxColumns * kPitch];
  const std::int64_t outputs = std::min(kAmxRows, g.dy.c - row * kAmxRows);
  const std::int64_t channels = std::min(kAmxColumns, g.x.c - column * kAmxColumns);
  const float* const from = sums + (row * g.columns + column) * g.taps() * kTile;
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
void run_task(const AmxGradWeight& g, const Conv3dGradWeightArgs<T>& a, std::int64_t task, Bf16* x_box) {
  const std::int64_t column_share = task % g.column_shares();
  const std::int64_t row_share = task / g.column_shares() % g.row_shares();
  const std::int64_t part = task / g.column_shares() / g.row_shares();
  const std::int64_t first_row = row_share * g.rows_per_task;
  const std::int64_t rows = std::min(g.rows_per_task, g.rows - first_row);
  const std::int64_t first_column = column_share * g.columns_per_task;
  const std::int64_t columns = std::min(g.columns_per_task, g.columns - first_column);
  const VolumeParts<const T> x = x_side(a.geometry, a.x, a.x2);
  Bf16* const dy_box = x_box + (g.boxes.depth + 2) * g.x_plane();
  const auto sums_of = [&](std::int64_t row, std::int64_t column) {
    return a.scratch.data() + part * g.sum_floats() + (row * g.columns + column) * g.taps() * kTile;
  };
  const std::int64_t begin = g.box_count() * part / g.sums;
  for (std::int64_t i = begin; i < g.box_count() * (part + 1) / g.sums; ++i) {
    const AmxBox box = amx_box(g.boxes, g.dy, i);
    stage_x(g, box, first_column, columns, x, x_box);
    stage_dy(g, box, first_row, rows, a.dy.data(), dy_box);
    memory_barrier();
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        add_taps(g, x_box + column * g.x_column(), dy_box + row * g.parts * g.dy_part(), box.d_end - box.d_begin,
                 i == begin, sums_of(first_row + row, first_column + column));
      }
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
  const AmxGradWeight g = amx_grad_weight(a.geometry, std::is_same_v<T, float>);
  const std::int64_t tasks = g.tasks();
  if (g.box_count() == 0) {
    std::ranges::fill(a.dweight, 0.0F);
    return;
  }
  const std::int64_t workers = std::min<std::int64_t>(q.threads, tasks);
  float* const scratch = a.scratch.data();
  parallel_for(q, workers, [&](std::int64_t worker) {  // each with its own scratch; the split changes no result
    const TileScope tiles;
    auto* const mine = reinterpret_cast<Bf16*>(scratch + g.shared_floats() + worker * g.worker_floats());
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
