#include "kernels/cpu/amx/convolve.h"
#include "kernels/cpu/amx/gemm_weights.h"

namespace vox {
namespace {

constexpr std::int64_t kMaxChunk = 4 * kAmxDepth;

VOX_INLINED inline __m512 widened(__m512 v) { return v; }
VOX_INLINED inline __m512 widened(__m256i v) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}

/// Pairs of windows of sixteen columns, from window `first` of a chunk on; zero past the last. They are added to `sum`.
template <class T>
VOX_INLINED inline PairWords pair_at(const T* from, const Sixteen& s, const std::int64_t* begin, std::int64_t first,
                                     std::int64_t count, __m512& sum) {
  using Values = decltype(load_sixteen(from, s, 0));
  const Values even = first < count ? load_sixteen(from, s, begin[first]) : Values{};
  const Values odd = first + 1 < count ? load_sixteen(from, s, begin[first + 1]) : Values{};
  sum = _mm512_add_ps(sum, _mm512_add_ps(widened(even), widened(odd)));
  return pair_words(even, odd);
}

/// Asks for two windows' columns.
template <class T> VOX_INLINED inline void fetch_pair(const T* from, const Sixteen& s, const std::int64_t* begin) {
  __builtin_prefetch(from + begin[0] + s.first, 0, 2);
  if (s.second != s.first + kBlock8) {
    if (s.second >= 0) { __builtin_prefetch(from + begin[0] + s.second, 0, 2); }
  } else if (sizeof(T) == sizeof(float)) {
    __builtin_prefetch(from + begin[1] + s.first, 0, 2);
  }
}

/// A strip of B: a row is a pair of windows, its columns are fine ones. `begin`: of this chunk, then of the next.
template <class T>
VOX_TILE void stage_fine(const AmxGemm& a, const T* from, const Sixteen& s, const std::int64_t* begin,
                         std::int64_t count, char* to, float* sums) {
  __m512 sum = _mm512_loadu_ps(sums);
  for (std::int64_t step = 0; step < a.steps; ++step, to += a.halves * kAmxTileBytes) {
    for (std::int64_t row = 0; row < 16; ++row) {
      const std::int64_t v = step * kAmxDepth + 2 * row;
      fetch_pair(from, s, begin + kMaxChunk + v);
      store_tile_row(to, row, a.halves, pair_at(from, s, begin, v, count, sum));
    }
  }
  _mm512_storeu_ps(sums, sum);
}

/// A strip of A: a row is a coarse channel, its columns are windows.
template <class T>
VOX_TILE void stage_coarse(const AmxGemm& a, const T* from, const Sixteen& s, const std::int64_t* begin,
                           std::int64_t count, char* to, float* sums) {
  __m512 sum = _mm512_loadu_ps(sums);
  for (std::int64_t step = 0; step < a.steps; ++step, to += a.halves * kAmxTileBytes) {
    __m512i high[16];
    __m512i low[16];
    for (std::int64_t row = 0; row < 16; ++row) {
      const std::int64_t v = step * kAmxDepth + 2 * row;
      fetch_pair(from, s, begin + kMaxChunk + v);
      const PairWords words = pair_at(from, s, begin, v, count, sum);
      high[row] = words.high;
      low[row] = words.low;
    }
    transpose16(high);
    transpose16(low);
    for (std::int64_t row = 0; row < 16; ++row) { store_tile_row(to, row, a.halves, {high[row], low[row]}); }
  }
  _mm512_storeu_ps(sums, sum);
}

/// The sums of tiles (row, column) to (row+1, column+1), both even.
float* sums_at(const AmxGemm& a, float* sums, std::int64_t row, std::int64_t column) {
  return sums + (row / 2 * ((a.columns + 1) / 2) + column / 2) * 4 * kTile;
}

/// The chunks of one partial sum, by the columns of one share.
template <class T>
void run_task(const AmxGemm& a, const Products& products, const Conv3dGradWeightArgs<T>& args, std::int64_t task,
              float* scratch) {
  const std::int64_t part = task / a.shares();
  const std::int64_t first_column = task % a.shares() * a.columns_per_task;
  const std::int64_t last_column = std::min(first_column + a.columns_per_task, a.columns);
  const AmxSide fine{a, true};
  const AmxSide coarse{a, false};
  char* const rows = reinterpret_cast<char*>(scratch);
  char* const columns = rows + a.rows * a.strip_bytes();
  float* const sums = args.scratch.data() + part * a.sum_floats();
  float* const column_sums = args.scratch.data() + a.sums * a.sum_floats() + part * a.channel_floats();
  float* const row_sums = column_sums + (a.columns + task % a.shares() * a.rows) * kAmxColumns;
  std::fill(column_sums + first_column * kAmxColumns, column_sums + last_column * kAmxColumns, 0.0F);
  std::fill_n(row_sums, a.rows * kAmxColumns, 0.0F);
  alignas(64) static constexpr float kZeros[kAmxColumns] = {};
  const std::int64_t begin = a.chunks() * part / a.sums;
  const std::int64_t end = a.chunks() * (part + 1) / a.sums;
  for (std::int64_t i = begin; i < end; ++i) {
    const AmxChunk chunk(a, i);
    const AmxChunk next(a, std::min(i + 1, end - 1));
    std::int64_t windows[2 * kMaxChunk] = {};
    coarse.begin_of(chunk.n, chunk.first, chunk.count, windows);
    coarse.begin_of(next.n, next.first, next.count, windows + kMaxChunk);
    for (std::int64_t row = 0; row < a.rows; ++row) {
      stage_coarse(a, args.dy.data(), coarse.sixteen(row), windows, chunk.count, rows + row * a.strip_bytes(),
                   row_sums + row * kAmxColumns);
    }
    fine.begin_of(chunk.n, chunk.first, chunk.count, windows);
    fine.begin_of(next.n, next.first, next.count, windows + kMaxChunk);
    for (std::int64_t column = first_column; column < last_column; ++column) {
      stage_fine(a, args.x.data(), fine.sixteen(column), windows, chunk.count,
                 columns + (column - first_column) * a.strip_bytes(), column_sums + column * kAmxColumns);
    }
    memory_barrier();
    for (std::int64_t column = first_column; column < last_column; column += 2) {
      for (std::int64_t row = 0; row < a.rows; row += 2) {
        float* const to = sums_at(a, sums, row, column);
        const bool first = i == begin;
        multiply_strips(a, products, rows + row * a.strip_bytes(), std::min<std::int64_t>(2, a.rows - row),
                        columns + (column - first_column) * a.strip_bytes(),
                        std::min<std::int64_t>(2, last_column - column),
                        first ? Sums{kZeros, 0, 0, to} : Sums{to, 64, kTile, to}, first ? 0 : 2 * kTile);
      }
    }
  }
}

/// dweight of sixteen fine columns: their partial sums, added in order.
void unpack_column(const AmxGemm& a, float* sums, std::int64_t column, float* dweight) {
  const WeightLanes lanes(a, column);
  for (std::int64_t o = 0; o < a.gemm.coarse.c; ++o) {
    const std::int64_t row = o / kAmxRows;
    const float* const from =
        sums_at(a, sums, row, column) + (column % 2 * 2 + row % 2) * kTile + o % kAmxRows * kAmxColumns;
    __m512 sum = _mm512_loadu_ps(from);
    for (std::int64_t part = 1; part < a.sums; ++part) {
      sum = _mm512_add_ps(sum, _mm512_loadu_ps(from + part * a.sum_floats()));
    }
    lanes.store(dweight, o, sum);
  }
}

/// The sums of the channels of a side, from those of its columns in the parts, in order.
void add_up(const AmxGemm& a, const AmxSide& side, const float* sums, std::span<float> to) {
  if (to.empty()) { return; }
  std::fill(to.begin(), to.end(), 0.0F);
  const bool runs = side.fine && a.gemm.kernel == 2;
  const std::int64_t columns = (side.fine ? a.columns : a.rows) * kAmxColumns;
  for (std::int64_t part = 0; part < a.sums; ++part, sums += a.channel_floats()) {
    for (std::int64_t i = 0; i < columns; ++i) {
      const std::int64_t block = runs ? i / kAmxColumns % side.shape().blocks() : i / kBlock8;
      const std::int64_t channel = block * kBlock8 + i % kBlock8;
      if (channel < side.shape().c) { to.data()[channel] += sums[i]; }
    }
  }
}

}  // namespace

template <class T> void grad_weight_gemm_amx(const CpuIsaQueue<Isa::amx>& q, const Conv3dGradWeightArgs<T>& args) {
  const AmxGemm a = amx_gemm(args.geometry, Conv3dPass::grad_weight, std::is_same_v<T, float>, q.threads);
  if (a.chunks() == 0) {
    for (const std::span<float> to : {args.dweight, args.x_sums, args.dy_sums}) { std::ranges::fill(to, 0.0F); }
    return;
  }
  Product list[kMaxGemmProducts];
  const Products products = list_products(a, list);
  const std::int64_t tasks = a.tasks();
  const std::int64_t workers = std::min<std::int64_t>(q.threads, tasks);
  float* const scratch = args.scratch.data();
  parallel_for(q, workers, [&](std::int64_t worker) {  // each with its own scratch; the split changes no result
    const TileScope tiles;
    float* const mine = scratch + a.shared_floats() + worker * a.worker_floats();
    for (std::int64_t i = tasks * worker / workers; i < tasks * (worker + 1) / workers; ++i) {
      run_task(a, products, args, i, mine);
    }
  });
  parallel_for(q, a.columns, [&](std::int64_t column) { unpack_column(a, scratch, column, args.dweight.data()); });
  const float* const channels = scratch + a.sums * a.sum_floats();
  add_up(a, {a, true}, channels, args.x_sums);
  add_up(a, {a, false}, channels + a.columns * kAmxColumns, args.dy_sums);
}

template void grad_weight_gemm_amx(const CpuIsaQueue<Isa::amx>&, const Conv3dGradWeightArgs<float>&);
template void grad_weight_gemm_amx(const CpuIsaQueue<Isa::amx>&, const Conv3dGradWeightArgs<Bf16>&);

}  // namespace vox
