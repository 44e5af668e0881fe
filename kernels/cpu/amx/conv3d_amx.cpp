#include "kernels/cpu/amx/conv3d_amx.h"

#include "kernels/cpu/amx/multiply.h"
#include "kernels/cpu/amx/stage.h"
#include "kernels/cpu/amx/weights.h"
#include "kernels/cpu/conv3d_epilogue.h"
#include "kernels/cpu/conv3d_gather.h"

namespace vox {
namespace {

constexpr std::int64_t kMaxProducts = 9 * 3 * 3 * 32;  // of one output tile and 1024 input channels

template <class T> struct Job {
  const AmxConv& plan;
  Products products;
  VolumeParts<const T> in;
  VolumeParts<T> out;
  const float* weights;  ///< packed
  const float* bias;
  std::int64_t lines;  ///< to fetch per group of tiles
  Conv3dEpilogue epilogue;
};

VOX_INLINED inline void fetch(const char* from, std::int64_t lines) {
  if (from == nullptr) { return; }
  for (std::int64_t i = 0; i < lines; ++i) { __builtin_prefetch(from + i * 64, 0, 2); }
}

/// Up to sixteen voxels from position `at` of a staged plane of a box on: those that are voxels go to the output.
struct Run {
  std::int64_t at;
  std::int64_t count;
};

/// Rows of 16 sums to two blocks of an output row; channels that do not exist become zero.
template <class T>
VOX_INLINED inline void store_row(const float* from, std::int64_t count, T* first, T* second, std::int64_t channels) {
  const auto present = static_cast<__mmask16>((1U << static_cast<unsigned>(std::min<std::int64_t>(channels, 16))) - 1U);
  for (std::int64_t v = 0; v < count; ++v) {
    const __m512 sums = _mm512_maskz_loadu_ps(present, from + v * kAmxColumns);
    if constexpr (std::is_same_v<T, float>) {
      _mm256_storeu_ps(first + v * kBlock8, _mm512_castps512_ps256(sums));
      if (second != nullptr) { _mm256_storeu_ps(second + v * kBlock8, _mm512_extractf32x8_ps(sums, 1)); }
    } else {
      const auto rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(sums));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(first + v * kBlock8), _mm256_castsi256_si128(rounded));
      if (second != nullptr) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(second + v * kBlock8), _mm256_extracti128_si256(rounded, 1));
      }
    }
  }
}

template <class T>
void store_tile(const Job<T>& job, const AmxBox& box, std::int64_t d, std::int64_t column, Run run, const float* sums) {
  const AmxConv& c = job.plan;
  const std::int64_t block = column * 2;
  T* const first = job.out.at(box.n, block);
  T* const second = block + 1 < c.out.blocks() ? job.out.at(box.n, block + 1) : nullptr;
  const std::int64_t channels = c.out.c - column * kAmxColumns;
  while (run.count > 0) {
    const std::int64_t h = run.at / c.pitch;
    const std::int64_t w = run.at % c.pitch;
    const std::int64_t here = std::min(run.count, c.pitch - w);  // the last two positions of a row are no voxels
    const std::int64_t voxel = ((d * c.out.h + box.h_begin + h) * c.out.w + w) * kBlock8;
    store_row(sums, std::min(here, c.out.w - w), first + voxel, second != nullptr ? second + voxel : nullptr, channels);
    sums += here * kAmxColumns;
    run.at += here;
    run.count -= here;
  }
}

/// Asks for the lines a tile will be written to: they arrive while its sums form.
template <class T>
void fetch_output(const Job<T>& job, const AmxBox& box, std::int64_t d, std::int64_t column, std::int64_t columns,
                  Run run) {
  const AmxConv& c = job.plan;
  const std::int64_t h = run.at / c.pitch;
  const std::int64_t voxel = ((d * c.out.h + box.h_begin + h) * c.out.w + run.at % c.pitch) * kBlock8;
  const std::int64_t last = std::min(column * 2 + columns * 2, c.out.blocks());
  for (std::int64_t block = column * 2; block < last; ++block) {
    const auto* const to = reinterpret_cast<const char*>(job.out.at(box.n, block) + voxel);
    for (std::int64_t i = 0; i < run.count * kBlock8 * std::int64_t{sizeof(T)}; i += 64) {
      __builtin_prefetch(to + i, 1, 2);
    }
  }
}

/// How the positions of a plane of a box become tiles: row by row, or all rows in one where that takes fewer. Tiles are
/// numbered down the rows of a strip that is `across` tiles wide, then of the next: so rows of A stay in L1.
struct Tiling {
  Tiling(const AmxConv& c, std::int64_t box_rows, std::int64_t across)
      : per_row((c.out.w + kAmxRows - 1) / kAmxRows),
        strip(std::min(across, per_row)),
        rows(box_rows),
        width(c.out.w),
        pitch(c.pitch),
        flat(box_rows * c.pitch - 2) {
    count = rows * per_row;
    by_row = count <= (flat + kAmxRows - 1) / kAmxRows;
    if (!by_row) { count = (flat + kAmxRows - 1) / kAmxRows; }
  }
  [[nodiscard]] Run run(std::int64_t i) const {
    if (!by_row) { return {i * kAmxRows, std::min(kAmxRows, flat - i * kAmxRows)}; }
    const std::int64_t first = i / (strip * rows) * strip;  // tile of a row the strip begins with
    const std::int64_t wide = std::min(strip, per_row - first);
    const std::int64_t in_strip = i - first * rows;
    const std::int64_t w = (first + in_strip % wide) * kAmxRows;
    return {in_strip / wide * pitch + w, std::min(kAmxRows, width - w)};
  }
  std::int64_t per_row;
  std::int64_t strip;
  std::int64_t rows;
  std::int64_t width;
  std::int64_t pitch;
  std::int64_t flat;
  std::int64_t count;
  bool by_row;
};

/// One plane of a staged box, for one or two tiles of output channels. The products go by in chunks, all tiles of the
/// plane meeting one chunk after the other, so that its weights stay in L1; `waiting` holds the sums between chunks.
template <class T>
void multiply_plane(const Job<T>& job, const AmxBox& box, std::int64_t d, std::int64_t column, std::int64_t columns,
                    const Bf16* staged, float* waiting, Ahead& ahead) {
  const AmxConv& c = job.plan;
  const std::int64_t most = columns == 2 ? 2 : 4;
  const Tiling tiling(c, box.h_end - box.h_begin, most);
  const std::int64_t column_bytes = c.tiles() * kAmxTileBytes;
  const char* const b = reinterpret_cast<const char*>(job.weights) + column * column_bytes;
  const std::int64_t chunk = c.chunk();
  const std::int64_t chunks = job.products.count / chunk;
  constexpr std::int64_t kTile = kAmxRows * kAmxColumns;
  for (std::int64_t k = 0; k < chunks; ++k) {
    const Products products{job.products.all + k * chunk, chunk, job.products.row_bytes};
    for (std::int64_t i = 0; i < tiling.count; i += most) {
      const std::int64_t here = std::min(most, tiling.count - i);
      const char* a[4];
      for (std::int64_t m = 0; m < here; ++m) {
        a[m] = reinterpret_cast<const char*>(staged + tiling.run(i + m).at * c.unit);
      }
      fetch(ahead.take(job.lines), job.lines);
      if (k + 1 == chunks) {
        for (std::int64_t m = 0; m < here; ++m) { fetch_output(job, box, d, column, columns, tiling.run(i + m)); }
      }
      float* const mine = waiting + i * columns * kTile;
      const Sums sums = k == 0 ? Sums{job.bias + column * kAmxColumns, 0, 0, mine} : Sums{mine, 64, kTile, mine};
      const std::int64_t next = k == 0 ? kAmxColumns : 2 * kTile;
      if (columns == 2 && here == 2) {
        c.products == 3 ? multiply_square<true>(products, a, b, column_bytes, c.part() * 2, sums, next)
                        : multiply_square<false>(products, a, b, column_bytes, 0, sums, next);
      } else {
        for (std::int64_t n = 0; n < columns; ++n) {
          const Sums of{sums.from + n * next, sums.from_row, sums.step, mine + n * 2 * kTile};
          c.products == 2 ? multiply_columns<true>(here, products, a, b + n * column_bytes, of)
                          : multiply_columns<false>(here, products, a, b + n * column_bytes, of);
        }
      }
      if (k + 1 < chunks) { continue; }
      for (std::int64_t n = 0; n < columns; ++n) {
        for (std::int64_t m = 0; m < here; ++m) {
          store_tile(job, box, d, column + n, tiling.run(i + m), mine + (n * 2 + m) * kTile);
        }
      }
    }
  }
}

/// What is done to the blocks [first,last) of a box once they are there.
template <class T>
void finish(const Job<T>& job, const AmxBox& box, std::int64_t number, std::int64_t first, std::int64_t last) {
  const VolumeShape& out = job.plan.out;
  for (std::int64_t block = first; block < std::min(last, out.blocks()); ++block) {
    T* const y = job.out.at(box.n, block) + (box.d_begin * out.h + box.h_begin) * out.w * kBlock8;
    finish_box(job.epilogue, FinishedBox<T>{.first = y,
                                            .planes = box.d_end - box.d_begin,
                                            .rows = box.h_end - box.h_begin,
                                            .width = out.w,
                                            .plane = out.h * out.w * kBlock8,
                                            .row = out.w * kBlock8,
                                            .block = block,
                                            .number = number,
                                            .boxes = job.plan.box_count()});
  }
}

/// Cache lines of the next box to fetch per group of tiles, so that it is there when this one is done.
template <class T> std::int64_t lines_per_group(const AmxConv& c, std::int64_t products) {
  const std::int64_t bytes =
      c.boxes.depth * c.boxes.height * c.in.w * c.in.blocks() * kBlock8 * std::int64_t{sizeof(T)};
  const std::int64_t groups = c.boxes.depth * c.boxes.height * ((c.out.w + kAmxRows - 1) / kAmxRows) *
                              c.columns_per_task * products / c.chunk() / 4;
  return std::min<std::int64_t>(bytes * 3 / 2 / 64 / std::max<std::int64_t>(groups, 1) + 1, 128);
}

template <class T> void run_task(const Job<T>& job, std::int64_t task, bool more, float* scratch) {
  const AmxConv& c = job.plan;
  const AmxBox box = amx_box(c.boxes, c.out, task / c.shares());
  const std::int64_t first = task % c.shares() * c.columns_per_task;
  const std::int64_t last = std::min(first + c.columns_per_task, c.columns);
  auto* const staged = reinterpret_cast<Bf16*>(scratch);
  float* const waiting = scratch + c.staged_floats();
  stage(c, box, job.in, staged);
  memory_barrier();
  Ahead ahead;
  if (more) {
    Conv3dTiling reach;
    reach.in = c.in;
    reach.delta_min = c.delta_min;
    reach.span = 3;
    const AmxBox next = amx_box(c.boxes, c.out, (task + 1) / c.shares());
    ahead = Ahead(reach, {next.n, next.d_begin, next.d_end, next.h_begin, next.h_end}, 0, c.in.blocks(), job.in);
  }
  for (std::int64_t column = first; column < last; column += 2) {
    for (std::int64_t d = box.d_begin; d < box.d_end; ++d) {
      multiply_plane(job, box, d, column, std::min<std::int64_t>(2, last - column),
                     staged + (d - box.d_begin) * c.plane(), waiting, ahead);
    }
  }
  if (c.pass == Conv3dPass::correlate) { finish(job, box, task / c.shares(), first * 2, last * 2); }
}

/// The products of an output tile in the order their sum forms.
std::int64_t list_products(const AmxConv& c, Product* to) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < c.groups * 9 * c.steps; ++i) {
    const std::int64_t group = i / c.steps / 9;
    const std::int64_t kd = i / c.steps / 3 % 3;
    const std::int64_t kh = i / c.steps % 3;
    const std::int64_t w = i % c.steps * c.positions;
    for (std::int64_t product = 0; product < c.products; ++product) {
      // one plane: high and low of x by the weight's high, then low; two: high*high, low*high, high*low
      const std::int64_t x_low = c.planes == 2 && product == 1 ? 1 : 0;
      const std::int64_t weight_low = c.planes == 2 ? product / 2 : product;
      const std::int64_t a = x_low * c.part() + group * c.group() + kd * c.plane() + kh * c.row() + w * c.unit;
      to[count++] = {.a = static_cast<std::int32_t>(a * 2),
                     .b = static_cast<std::int32_t>((i * c.weight_parts + weight_low) * kAmxTileBytes)};
    }
  }
  return count;
}

}  // namespace

template <class T> void convolve_amx(const CpuIsaQueue<Isa::amx>& q, const TiledConvArgs<T>& a) {
  const AmxConv c = amx_conv(a.geometry, a.pass, std::is_same_v<T, float>);
  float* const bias = a.scratch + c.columns * c.tiles() * kAmxTileBytes / 4;
  pack_bias(c, a.bias, bias);
  Product products[kMaxProducts];
  const Products list{products, list_products(c, products), c.unit * 2};
  const Job<T> job{.plan = c,
                   .products = list,
                   .in = a.in,
                   .out = a.out,
                   .weights = a.scratch,
                   .bias = bias,
                   .lines = lines_per_group<T>(c, list.count),
                   .epilogue = a.epilogue};
  const std::int64_t tasks = c.tasks();
  const std::int64_t workers = std::min<std::int64_t>(q.threads, tasks);
  const bool alone = c.packs_alone() && workers <= c.shares();
  if (!alone) { pack_weights(q.threads, c, a.weight, a.scratch); }
  parallel_for(q, workers, [&](std::int64_t worker) {  // each with its own scratch; the split changes no result
    const TileScope tiles;
    float* const mine = a.scratch + c.shared_floats() + worker * c.worker_floats();
    if (!alone) {
      const std::int64_t end = tasks * (worker + 1) / workers;
      for (std::int64_t i = tasks * worker / workers; i < end; ++i) { run_task(job, i, i + 1 < end, mine); }
      return;
    }
    for (std::int64_t i = c.shares() * worker / workers; i < c.shares() * (worker + 1) / workers; ++i) {
      const std::int64_t first = i * c.columns_per_task;
      pack_columns(c, first, std::min(first + c.columns_per_task, c.columns), a.weight,
                   a.scratch + first * c.tiles() * kAmxTileBytes / 4);
      for (std::int64_t box = 0; box < c.box_count(); ++box) { run_task(job, box * c.shares() + i, false, mine); }
    }
  });
}

template void convolve_amx(const CpuIsaQueue<Isa::amx>&, const TiledConvArgs<float>&);
template void convolve_amx(const CpuIsaQueue<Isa::amx>&, const TiledConvArgs<Bf16>&);

}  // namespace vox
