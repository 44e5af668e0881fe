#include "kernels/cpu/amx/convolve.h"

#include "kernels/cpu/amx/multiply.h"
#include "kernels/cpu/amx/sink.h"
#include "kernels/cpu/amx/stage_plane.h"
#include "kernels/cpu/amx/tiling.h"
#include "kernels/cpu/amx/weights.h"

namespace vox {
namespace {

constexpr std::int64_t kMaxProducts = 3 * 3 * 3 * 32;  // of one kd and 1024 input channels
constexpr std::int64_t kTile = kAmxRows * kAmxColumns;

template <class T> struct Job {
  const AmxConv& plan;
  Products products;
  VolumeParts<const T> in;
  VolumeParts<T> out;
  const float* weights;  ///< packed
  const float* bias;
  Conv3dEpilogue epilogue;
};

/// A worker's memory, and what it does beside multiplying: in turns it stages the next plane and writes out the last
/// sums.
template <class T> struct Worker {
  Worker(const Job<T>& job, float* scratch)
      : staged(reinterpret_cast<Bf16*>(scratch)),
        sums(scratch + job.plan.staged_floats()),
        stager(job.plan, job.in),
        sink(job.plan, job.out, job.epilogue),
        voxels(voxels_of(job.plan)) {
    clear(staged, 2 * job.plan.staged_floats());  // tiles read past the last row
  }
  void step() {
    stages = !stages;
    stages ? stager.step(voxels) : sink.step(voxels);
  }
  /// Voxels of a turn. More at once keep the tiles waiting; but there must be turns enough.
  static std::int64_t voxels_of(const AmxConv& c) {
    constexpr std::int64_t kFew = 4;
    const std::int64_t columns = std::min<std::int64_t>(c.columns, 2);
    const std::int64_t turns = c.groups * 9 * c.steps * c.products * columns / 4;  // by 16 voxels
    const std::int64_t needed = (c.groups + columns) * 16 / kFew;
    return turns >= 2 * needed ? kFew : 2 * kFew;
  }
  Bf16* staged;
  float* sums;  ///< two groups of four tiles, in turns
  AmxPlaneStager<T> stager;
  AmxSink<T> sink;
  std::int64_t voxels;
  bool stages = false;  ///< what the last turn did
};

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

/// Calls body(1, 2 or 3 products, as a type).
template <class Body> void with_parts(std::int64_t products, const Body& body) {
  products == 3   ? body(std::integral_constant<int, 3>{})
  : products == 2 ? body(std::integral_constant<int, 2>{})
                  : body(std::integral_constant<int, 1>{});
}

/// One plane of a staged box, for one or two tiles of output channels.
template <class T>
void multiply_plane(const Job<T>& job, const AmxBox& box, std::int64_t d, std::int64_t column, std::int64_t columns,
                    Worker<T>& worker) {
  const AmxConv& c = job.plan;
  const std::int64_t most = columns == 2 ? 2 : 4;
  const Tiling tiling(c, box.h_end - box.h_begin, most);
  const std::int64_t column_bytes = c.tiles() * kAmxTileBytes;
  const char* const b = reinterpret_cast<const char*>(job.weights) + column * column_bytes;
  Products products = job.products;
  for (std::int64_t kd = 0; kd < 3; ++kd) {
    products.a_plane[kd] = (d - box.d_begin + kd) % c.staged_planes * c.staged_plane() * std::int64_t{sizeof(Bf16)};
  }
  const float* const bias = job.bias + column * kAmxColumns;
  const std::int64_t x_low = c.halves_apart == 2 ? c.half() * 2 : 0;
  for (std::int64_t i = 0; i < tiling.count; i += most) {
    const std::int64_t here = std::min(most, tiling.count - i);
    const char* a[4];
    for (std::int64_t m = 0; m < here; ++m) {
      const Run run = tiling.run(i + m);
      a[m] = reinterpret_cast<const char*>(worker.staged + run.at * c.unit);
      if (!worker.sink.streams()) { fetch_output(job, box, d, column, columns, run); }
    }
    float* const mine = worker.sums + i / most % 2 * 4 * kTile;
    const Sums sums{bias, 0, 0, mine};
    if (columns == 2 && here == 2) {
      with_parts(c.products, [&]<int Parts>(std::integral_constant<int, Parts>) {
        multiply_square<Parts>(products, a, b, column_bytes, x_low, sums, kAmxColumns, worker);
      });
    } else {
      for (std::int64_t n = 0; n < columns; ++n) {
        const Sums of{bias + n * kAmxColumns, 0, 0, mine + n * 2 * kTile};
        with_parts(c.products, [&]<int Parts>(std::integral_constant<int, Parts>) {
          multiply_columns<Parts>(here, products, a, b + n * column_bytes, x_low, of, worker);
        });
      }
    }
    worker.sink.drain();
    memory_barrier();
    for (std::int64_t n = 0; n < columns; ++n) {
      for (std::int64_t m = 0; m < here; ++m) {
        worker.sink.add(d, column + n, tiling.run(i + m), mine + (n * 2 + m) * kTile);
      }
    }
  }
  worker.sink.drain();
}

/// The planes of a stack of boxes, the first of which has this number, by columns [first,last): `stages` if they are
/// not staged yet.
template <class T>
void run_columns(const Job<T>& job, const AmxBox& stack, std::int64_t number, std::int64_t first, std::int64_t last,
                 bool stages, Worker<T>& worker) {
  const AmxConv& c = job.plan;
  const std::int64_t depth = stack.d_end - stack.d_begin;
  const auto begin_plane = [&](std::int64_t plane) {
    if (stages && plane < depth + 2) {
      worker.stager.begin(stack, plane, worker.staged + plane % c.staged_planes * c.staged_plane());
    }
  };
  for (std::int64_t plane = 0; plane < 3; ++plane) {
    begin_plane(plane);
    worker.stager.drain();
  }
  for (std::int64_t d = 0; d < depth; ++d) {
    if (d % c.boxes.depth == 0) { worker.sink.begin(amx_box(c.boxes, c.out, number++), first, last - first); }
    begin_plane(d + 3);
    memory_barrier();
    for (std::int64_t column = first; column < last; column += 2) {
      multiply_plane(job, stack, stack.d_begin + d, column, std::min<std::int64_t>(2, last - column), worker);
    }
    worker.stager.drain();
    if ((d + 1) % c.boxes.depth == 0 || d + 1 == depth) { worker.sink.finish(number - 1); }
  }
}

template <class T> void run_task(const Job<T>& job, std::int64_t task, Worker<T>& worker) {
  const AmxConv& c = job.plan;
  const std::int64_t stack = task / c.shares();
  const std::int64_t number = stack / c.stacks_along_d() * c.boxes.along_d + stack % c.stacks_along_d() * c.stack;
  AmxBox box = amx_box(c.boxes, c.out, number);
  box.d_end = std::min(box.d_begin + c.stack * c.boxes.depth, c.out.d);
  const std::int64_t first = task % c.shares() * c.columns_per_task;
  const std::int64_t last = std::min(first + c.columns_per_task, c.columns);
  const std::int64_t together = c.rings() ? kAmxSinkColumns : 2;
  for (std::int64_t column = first; column < last; column += together) {
    const bool stages = c.rings() || column == first;
    run_columns(job, box, number, column, std::min(column + together, last), stages, worker);
  }
}

/// The products of an output tile and the first kd, in the order their sum forms.
Products list_products(const AmxConv& c, Product* to) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < c.groups * 3 * c.steps; ++i) {
    const std::int64_t group = i / c.steps / 3;
    const std::int64_t kh = i / c.steps % 3;
    const std::int64_t step = i % c.steps;
    const std::int64_t tile = ((group * 9 + kh) * c.steps + step) * c.weight_halves;
    for (std::int64_t product = 0; product < c.products; ++product) {
      // one part: high and low of x by the weight's high, then low; two: high*high, low*high, high*low
      const std::int64_t x_low = c.halves_apart == 2 && product == 1 ? 1 : 0;
      const std::int64_t weight_low = c.halves_apart == 2 ? product / 2 : product;
      const std::int64_t a = x_low * c.half() + group * c.group() + kh * c.row() + step * c.positions * c.unit;
      to[count++] = {.a = static_cast<std::int32_t>(a * 2),
                     .b = static_cast<std::int32_t>((tile + weight_low) * kAmxTileBytes)};
    }
  }
  return {.all = to,
          .count = count,
          .row_bytes = c.unit * 2,
          .planes = 3,
          .b_plane = 3 * c.steps * c.weight_halves * kAmxTileBytes};
}

}  // namespace

template <class T> void convolve_amx(const CpuIsaQueue<Isa::amx>& q, const TiledConvArgs<T>& a) {
  const AmxConv c = amx_conv(a.geometry, a.pass, std::is_same_v<T, float>, q.threads);
  float* const bias = a.scratch + c.columns * c.tiles() * kAmxTileBytes / 4;
  pack_bias(c, a.bias, bias);
  Product products[kMaxProducts];
  const Job<T> job{.plan = c,
                   .products = list_products(c, products),
                   .in = a.in,
                   .out = a.out,
                   .weights = a.scratch,
                   .bias = bias,
                   .epilogue = a.pass == Conv3dPass::correlate ? a.epilogue : Conv3dEpilogue{}};
  const std::int64_t tasks = c.tasks();
  const std::int64_t workers = std::min<std::int64_t>(q.threads, tasks);
  const bool alone = c.packs_alone() && workers <= c.shares();
  if (!alone) { pack_weights(q.threads, c, a.weight, a.scratch); }
  parallel_for(q, workers, [&](std::int64_t index) {  // each with its own scratch; the split changes no result
    const TileScope tiles;
    Worker<T> worker(job, a.scratch + c.shared_floats() + index * c.worker_floats());
    if (!alone) {
      for (std::int64_t i = tasks * index / workers; i < tasks * (index + 1) / workers; ++i) {
        run_task(job, i, worker);
      }
      return;
    }
    for (std::int64_t i = c.shares() * index / workers; i < c.shares() * (index + 1) / workers; ++i) {
      const std::int64_t first = i * c.columns_per_task;
      pack_columns(c, first, std::min(first + c.columns_per_task, c.columns), a.weight,
                   a.scratch + first * c.tiles() * kAmxTileBytes / 4);
      for (std::int64_t stack = 0; stack < c.stack_count(); ++stack) { run_task(job, stack * c.shares() + i, worker); }
    }
  });
}

template void convolve_amx(const CpuIsaQueue<Isa::amx>&, const TiledConvArgs<float>&);
template void convolve_amx(const CpuIsaQueue<Isa::amx>&, const TiledConvArgs<Bf16>&);

}  // namespace vox
