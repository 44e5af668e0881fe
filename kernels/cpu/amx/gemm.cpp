#include "kernels/cpu/amx/convolve.h"
#include "kernels/cpu/amx/gemm_weights.h"
#include "kernels/cpu/simd/stream.h"

namespace vox {
namespace {

constexpr std::int64_t kChunk = 2 * kAmxRows;

/// Where the windows of two chunks begin on both sides.
struct Begins {
  std::int64_t in[2 * kChunk];
  std::int64_t out[2 * kChunk];
};

template <class T> VOX_INLINED inline void store_row(Bf16* to, const __m512& a, const __m512& b) {
  static_assert(std::is_same_v<T, float>);
  const auto high = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a));
  const auto back = [](__m256i v)
                        VOX_INLINED { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16)); };
  const __m512 rest_a = _mm512_sub_ps(a, back(_mm512_castsi512_si256(high)));
  const __m512 rest_b = _mm512_sub_ps(b, back(_mm512_extracti64x4_epi64(high, 1)));
  _mm512_store_si512(to, high);
  _mm512_store_si512(to + kTile * 2, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(rest_b, rest_a)));
}
template <class T> VOX_INLINED inline void store_row(Bf16* to, const __m256i& a, const __m256i& b) {
  static_assert(std::is_same_v<T, Bf16>);
  _mm512_store_si512(to, joined(a, b));
}

/// Two tiles of columns of a chunk become a step of the strips of A; the next chunk's are fetched.
template <class T, bool Both>
VOX_TILE void stage_step(const AmxGemm& a, const T* from, const Sixteen& first, const Sixteen& second,
                         const std::int64_t* begin, std::int64_t count, Bf16* to) {
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t apart = begin[1] - begin[0];
  const std::int64_t fetch_every = std::max<std::int64_t>(1, kLine / std::max<std::int64_t>(apart, 1));
  const std::int64_t next_strip = a.strip_bytes() / 2 - kTile * 2;  // in bf16, from the end of a tile
  for (std::int64_t v = 0; v < count; ++v) {
    decltype(load_sixteen(from, first, 0)) two = {};
    const auto one = load_sixteen(from, first, begin[v]);
    if constexpr (Both) { two = load_sixteen(from, second, begin[v]); }
    if (v % fetch_every == 0) {
      const T* const ahead = from + begin[v + kChunk];
      __builtin_prefetch(ahead + first.first, 0, 2);
      if (apart <= kBlock8 && first.second >= 0) { __builtin_prefetch(ahead + first.second, 0, 2); }
      if constexpr (Both) {
        __builtin_prefetch(ahead + second.first, 0, 2);
        if (apart <= kBlock8 && second.second >= 0) { __builtin_prefetch(ahead + second.second, 0, 2); }
      }
    }
    store_row<T>(to + v * kAmxDepth + (v >= kAmxRows ? next_strip : 0), one, two);
  }
}

VOX_INLINED inline void store_halves(float* first, float* second, const __m512& v) {
  _mm256_storeu_ps(first, _mm512_castps512_ps256(v));
  if (second != nullptr) { _mm256_storeu_ps(second, _mm512_extractf32x8_ps(v, 1)); }
}
VOX_INLINED inline void store_halves(Bf16* first, Bf16* second, const __m512& v) {
  const auto rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(first), _mm256_castsi256_si128(rounded));
  if (second != nullptr) { _mm_storeu_si128(reinterpret_cast<__m128i*>(second), _mm256_extracti128_si256(rounded, 1)); }
}

/// Rows of sums to sixteen columns of the windows of a tile.
template <class T>
VOX_INLINED inline void store_windows(T* out, const Sixteen& to, const std::int64_t* begin, std::int64_t count,
                                      const float* from) {
  for (std::int64_t v = 0; v < count; ++v) {
    T* const at = out + begin[v];
    store_halves(at + to.first, to.second >= 0 ? at + to.second : nullptr,
                 _mm512_maskz_loadu_ps(to.present, from + v * kAmxColumns));
  }
}

/// The same in whole cache lines past the caches, which a volume that fits none of them would only fill.
VOX_INLINED inline void stream_windows(float* out, const Sixteen& to, const std::int64_t* begin, std::int64_t count,
                                       const float* from) {
  const auto row = [&](std::int64_t v)
                       VOX_INLINED { return _mm512_maskz_loadu_ps(to.present, from + v * kAmxColumns); };
  if (to.second == to.first + kBlock8) {
    for (std::int64_t v = 0; v < count; ++v) { _mm512_stream_ps(out + begin[v] + to.first, row(v)); }
    return;
  }
  for (std::int64_t v = 0; v < count; v += 2) {  // neighbours: the windows of a row are an even number
    const __m512 a = row(v);
    const __m512 b = row(v + 1);
    _mm512_stream_ps(out + begin[v] + to.first, _mm512_shuffle_f32x4(a, b, 0x44));
    if (to.second >= 0) { _mm512_stream_ps(out + begin[v] + to.second, _mm512_shuffle_f32x4(a, b, 0xEE)); }
  }
}

/// Asks for the lines the next chunk's windows will be written to.
template <class T>
VOX_INLINED inline void fetch_windows(T* out, const Sixteen& to, const std::int64_t* begin, std::int64_t count) {
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t apart = begin[1] - begin[0];
  const std::int64_t every = std::max<std::int64_t>(1, kLine / std::max<std::int64_t>(apart, 1));
  for (std::int64_t v = 0; v < count; v += every) {
    __builtin_prefetch(out + begin[v] + to.first, 1, 3);
    if (apart <= kBlock8 && to.second >= 0) { __builtin_prefetch(out + begin[v] + to.second, 1, 3); }
  }
}

template <class T> struct GemmJob {
  const AmxGemm& plan;
  Products products;
  const T* in;
  T* out;
  const float* weights;  ///< packed
  const float* bias;
  bool streams;  ///< the output, past the caches
};

/// A chunk of windows by some columns of the output; `last`: no chunk comes after it.
template <class T>
void run_chunk(const GemmJob<T>& job, std::int64_t number, bool last, std::int64_t first_column,
               std::int64_t last_column, float* scratch) {
  const AmxGemm& a = job.plan;
  const AmxSide in{a, a.pass != Conv3dPass::spread};
  const AmxSide out{a, a.pass == Conv3dPass::spread};
  const AmxChunk chunk(a, number);
  const AmxChunk next(a, last ? number : number + 1);
  Begins begins{};
  in.begin_of(chunk.n, chunk.first, chunk.count, begins.in);
  in.begin_of(next.n, next.first, next.count, begins.in + kChunk);
  out.begin_of(chunk.n, chunk.first, chunk.count, begins.out);
  out.begin_of(next.n, next.first, next.count, begins.out + kChunk);
  auto* const staged = reinterpret_cast<Bf16*>(scratch);
  float* const sums = scratch + a.rows * a.strip_bytes() / 4;
  for (std::int64_t step = 0; step < a.steps; ++step) {
    Bf16* const to = staged + step * a.halves * kTile * 2;
    const Sixteen first = in.sixteen(2 * step);
    if (2 * step + 1 < a.in_tiles()) {
      stage_step<T, true>(a, job.in, first, in.sixteen(2 * step + 1), begins.in, chunk.count, to);
    } else {
      stage_step<T, false>(a, job.in, first, first, begins.in, chunk.count, to);
    }
  }
  memory_barrier();
  const std::int64_t tiles = (chunk.count + kAmxRows - 1) / kAmxRows;
  for (std::int64_t column = first_column; column < last_column; column += 2) {
    const std::int64_t columns = std::min<std::int64_t>(2, last_column - column);
    for (std::int64_t n = 0; n < columns && !last && !job.streams; ++n) {
      fetch_windows(job.out, out.sixteen(column + n), begins.out + kChunk, next.count);
    }
    multiply_strips(a, job.products, reinterpret_cast<const char*>(staged), tiles,
                    reinterpret_cast<const char*>(job.weights) + column * a.strip_bytes(), columns,
                    {job.bias + column * kAmxColumns, 0, 0, sums}, kAmxColumns);
    memory_barrier();
    for (std::int64_t n = 0; n < columns; ++n) {
      const Sixteen to = out.sixteen(column + n);
      for (std::int64_t m = 0; m < tiles; ++m) {
        const std::int64_t* const begin = begins.out + m * kAmxRows;
        const std::int64_t count = std::min(kAmxRows, chunk.count - m * kAmxRows);
        const float* const from = sums + (n * 2 + m) * kTile;
        if constexpr (std::is_same_v<T, float>) {
          if (job.streams) {
            stream_windows(job.out, to, begin, count, from);
            continue;
          }
        }
        store_windows(job.out, to, begin, count, from);
      }
    }
  }
}

}  // namespace

template <class T> void convolve_gemm_amx(const CpuIsaQueue<Isa::amx>& q, const TiledConvArgs<T>& args) {
  const AmxGemm a = amx_gemm(args.geometry, args.pass, std::is_same_v<T, float>, q.threads);
  pack_strips(q.threads, a, args.weight, args.bias, args.scratch);
  Product products[kMaxGemmProducts];
  const GemmJob<T> job{.plan = a,
                       .products = list_products(a, products),
                       .in = args.in.first,
                       .out = args.out.first,
                       .weights = args.scratch,
                       .bias = args.scratch + a.columns * a.strip_bytes() / 4,
                       .streams = a.streams() && reinterpret_cast<std::uintptr_t>(args.out.first) % 64 == 0};
  const std::int64_t tasks = a.tasks();
  const std::int64_t workers = std::min<std::int64_t>(q.threads, tasks);
  parallel_for(q, workers, [&](std::int64_t worker) {  // each with its own scratch; the split changes no result
    const TileScope tiles;
    float* const mine = args.scratch + a.shared_floats() + worker * a.worker_floats();
    const std::int64_t end = tasks * (worker + 1) / workers;
    for (std::int64_t i = tasks * worker / workers; i < end; ++i) {
      const std::int64_t first = i / a.chunks() * a.columns_per_task;
      run_chunk(job, i % a.chunks(), i + 1 == end || i % a.chunks() + 1 == a.chunks(), first,
                std::min(first + a.columns_per_task, a.columns), mine);
    }
    end_stream();
  });
}

template void convolve_gemm_amx(const CpuIsaQueue<Isa::amx>&, const TiledConvArgs<float>&);
template void convolve_gemm_amx(const CpuIsaQueue<Isa::amx>&, const TiledConvArgs<Bf16>&);

}  // namespace vox
