// Prints, as CSV, what the kernels of operators execute: nvcc's PTX, interpreted. A line per launch. No GPU is wanted.
//   vox_counts --ptx build/ptx/sm_90a --op conv3d --shape 16-16@16^3 --dtype bf16
//   vox_counts --ptx build/ptx/sm_90a --size 128 --dtype bf16 --blocks 3 --blank    the network, three blocks a launch

#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "benchmarks/verbs/kernel_options.h"
#include "benchmarks/workloads/kernel_operands.h"
#include "engine/context.h"
#include "engine/csv.h"
#include "engine/kept.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/moving_average.h"
#include "kernels/simt/launch.h"
#include "model/optimizer.h"
#include "tests/simt/ptx_block.h"

namespace vox::bench {
namespace {

struct Requested {
  const char* name;
  ptx::Requests ptx::Counts::*requests;
};
constexpr Requested kRequests[] = {{"loads", &ptx::Counts::loads},
                                   {"stores", &ptx::Counts::stores},
                                   {"copies", &ptx::Counts::copies},
                                   {"shared_loads", &ptx::Counts::shared_loads},
                                   {"shared_stores", &ptx::Counts::shared_stores},
                                   {"matrix_loads", &ptx::Counts::matrix_loads},
                                   {"copied", &ptx::Counts::copied}};

void print_head() {
  std::string line = "op,pass,shape,batch,dtype,least_bytes,kernel,grid,threads,shared_bytes,blocks,blocks_run,all";
  for (const std::string_view name : ptx::kClassNames) { line += fmt::format(",{}", name); }
  for (const Requested& r : kRequests) { line += fmt::format(",{0},{0}_pieces,{0}_least", r.name); }
  fmt::print("{}\n", line);
}

void print(const std::vector<std::string>& cells, const Cost& cost, const ptx::LaunchCounts& l) {
  std::string line = fmt::format("{},{:.0f},{},{}x{}x{},{},{},{},{},{}", fmt::join(cells, ","), cost.bytes,
                                 csv_field(l.kernel), l.grid.x, l.grid.y, l.grid.z, l.block.count(), l.shared_bytes,
                                 l.grid.count(), l.blocks_run, l.counts.all());
  for (const std::uint64_t n : l.counts.instructions) { line += fmt::format(",{}", n); }
  for (const Requested& r : kRequests) {
    const ptx::Requests& q = l.counts.*r.requests;
    line += fmt::format(",{},{},{}", q.count, q.pieces, q.least);
  }
  fmt::print("{}\n", line);
  static_cast<void>(std::fflush(stdout));
}

void skip(const simt::Launch&) {}

void count_kernels(const KernelOptions& o, const std::string& folder, std::int64_t most_blocks, bool blank) {
  ptx::interpret(folder);
  const simt::Interpreter interpreted = simt::interpreter();
  const simt::Interpreter before = blank ? &skip : nullptr;
  set_keep_all(true);  // as on a GPU that has room
  print_head();
  for (const KernelSpec& spec : rows_of(o)) {
    simt::set_interpreter(before);  // makes the operands' values
    KernelCase c(spec, Device::simt);
    std::vector<ptx::LaunchCounts> launches;
    ptx::watch() = {&launches, static_cast<std::uint64_t>(most_blocks)};
    c.run_once([&] { simt::set_interpreter(interpreted); });
    for (const ptx::LaunchCounts& l : launches) { print(cells_of(spec), c.cost(), l); }
  }
}

/// Of each convolution that gives as many channels as it takes the backward pass of two such layers of the network,
/// with dropout between: what a gradient's kernel takes in passing for the layer before shows there alone.
void count_layers(const KernelOptions& o, const std::string& folder, std::int64_t most_blocks, bool blank) {
  ptx::interpret(folder);
  const simt::Interpreter interpreted = simt::interpreter();
  set_keep_all(true);
  print_head();
  for (const KernelSpec& spec : rows_of(o)) {
    const std::int64_t channels = spec.shape.out;
    if (spec.op != Op::conv3d || spec.pass != Pass::grad_input || spec.shape.in.front() != channels) { continue; }
    simt::set_interpreter(blank ? &skip : nullptr);
    std::uint32_t seed = 0;
    const auto vector = [&] { return random_vector({channels}, accumulator(spec.dtype), Device::simt, ++seed); };
    const auto layer = [&](const Tensor& x, const DropoutOptions& dropout) {
      const Shape shape{channels, channels, 3, 3, 3};
      const Tensor weight = random_vector(shape, accumulator(spec.dtype), Device::simt, ++seed).requires_grad();
      return conv3d_batch_norm_relu(x, {}, weight, vector(), vector(), vector(), vector(), {}, dropout);
    };
    const auto& extent = spec.shape.extent;
    const Tensor x =
        random_volume({spec.batch, channels, extent[0], extent[1], extent[2]}, spec.dtype, Device::simt, 1);
    const Tensor y = layer(layer(x, {.p = 0.25, .key = {}}), {.p = 0, .key = {}});
    const Tensor dy = random_like(y, ++seed);
    std::vector<ptx::LaunchCounts> launches;
    ptx::watch() = {&launches, static_cast<std::uint64_t>(most_blocks)};
    simt::set_interpreter(interpreted);
    backward(y, dy);
    std::vector<std::string> cells = cells_of(spec);
    cells[0] = "layers";
    for (const ptx::LaunchCounts& l : launches) { print(cells, {}, l); }
  }
}

/// A step of an optimiser on so many f32 values, whose gradients are 1. Its least bytes: value, gradient and moments
/// read, and all but the gradient written.
void count_optimizer(const std::string& folder, OptimizerKind kind, std::int64_t values) {
  const Tensor weights = random_vector({values}, DType::f32, Device::simt, 1).requires_grad();
  Optimizer optimizer({{"weights", weights}}, {.kind = kind});
  backward(sum(weights));
  ptx::interpret(folder);
  std::vector<ptx::LaunchCounts> launches;
  ptx::watch() = {.launches = &launches, .most_blocks = 0};
  static_cast<void>(optimizer.step(1e-3));
  print_head();
  const double accesses = kind == OptimizerKind::adam ? 7.0 : 5.0;
  const Cost cost{.flops = 0, .bytes = accesses * 4 * static_cast<double>(values), .flops_on_voxels = 0};
  const std::string name(optimizer.name());
  for (const ptx::LaunchCounts& l : launches) { print({name, "step", std::to_string(values), "1", "f32"}, cost, l); }
}

/// The average of so many f32 values moved once: read with their average, which is written.
void count_average(const std::string& folder, std::int64_t values) {
  const Tensor weights = random_vector({values}, DType::f32, Device::simt, 1);
  Tensor average = random_vector({values}, DType::f32, Device::simt, 2);
  ptx::interpret(folder);
  std::vector<ptx::LaunchCounts> launches;
  ptx::watch() = {.launches = &launches, .most_blocks = 0};
  const std::vector<MovingAverageTensor<float>> tensors{
      {.average = average.mutable_values<float>(), .values = weights.values<float>()}};
  moving_average(simt_queue(), MovingAverageArgs<float>{.tensors = tensors, .squares = {}, .take = 0.1});
  print_head();
  const Cost cost{.flops = 0, .bytes = 3.0 * 4 * static_cast<double>(values), .flops_on_voxels = 0};
  for (const ptx::LaunchCounts& l : launches) {
    print({"average", "step", std::to_string(values), "1", "f32"}, cost, l);
  }
}

}  // namespace
}  // namespace vox::bench

int main(int argc, char** argv) {
  try {
    vox::CommandLine app("What the kernels of operators execute, counted in nvcc's PTX: CSV, a line per launch",
                         "vox_counts");
    vox::bench::KernelOptions o;
    std::string folder;
    std::int64_t blocks = 0;
    std::string update;
    std::int64_t values = 262144;
    bool blank = false;
    bool layers = false;
    o.sizes = {128};
    o.dtypes = {"bf16"};
    app.option("--ptx", folder, "folder of .ptx files, as build/ptx/sm_90a").required();
    app.option("--op", o.ops, "operators, as conv3d or batch_norm; without it all").delimiter(',');
    app.option("--shape", o.shapes, "as bench kernel has it; without it the seed network's own").delimiter(',');
    app.option("--pass", o.passes).delimiter(',').one_of({"forward", "grad-input", "grad-weight"});
    app.option("--dtype", o.dtypes).delimiter(',').one_of({"f32", "f64", "bf16"});
    app.option("--size", o.sizes, "of the network's images, for its shapes").delimiter(',').positive();
    app.option("--batch", o.batches).delimiter(',').positive();
    app.option("--widths", o.widths, "of the network: channels per level, shallow to deep")
        .delimiter(',')
        .expected(5)
        .positive();
    app.option("--blocks", blocks, "of a launch so many thread blocks are run, spread evenly; 0: all").not_negative();
    app.flag("--blank", blank, "operands are NaN, which takes no time: for counts that do not depend on values");
    app.flag("--layers", layers, "instead of the gradients of conv3d's inputs two layers' backward passes around them");
    app.option("--update", update, "instead of operators what follows them: adam, sgd or average (of the weights)")
        .one_of({"", "adam", "sgd", "average"});
    app.option("--values", values, "of --update: so many").positive();
    if (const auto code = app.read(argc, argv)) { return *code; }
    if (update == "average") {
      vox::bench::count_average(folder, values);
    } else if (!update.empty()) {
      vox::bench::count_optimizer(folder, vox::optimizer_named(update), values);
    } else if (layers) {
      vox::bench::count_layers(o, folder, blocks, blank);
    } else {
      vox::bench::count_kernels(o, folder, blocks, blank);
    }
    return 0;
  } catch (const std::exception& e) {
    static_cast<void>(std::fprintf(stderr, "vox_counts: %s\n", e.what()));
    return 2;
  }
}
