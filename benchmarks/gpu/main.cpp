// Times every kernel of the network where the CUDA kernels run, beside what this machine can do and what NVIDIA's
// libraries do: see ../README.md.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "benchmarks/gpu/report.h"
#include "benchmarks/gpu/rivals.h"
#include "kernels/base/check.h"
#include "tools/ui/command_line.h"

namespace vox::gpu_bench {
namespace {

struct Options {
  std::string device = "cuda";
  NetShape net;
  std::vector<std::int64_t> batches{1, 2, 16};
  std::vector<std::string> dtypes{"bf16", "f32"};
  std::string only;
  std::string json;
  bool warm = false;
  bool values = false;
  double seconds = 0;
  MeasureOptions measure;
};

void parse(Command app, Options& o) {
  app.option("--device", o.device, "cuda, cuda:N, or simt to see that everything runs");
  app.option("--size", o.net.size, "voxels along each axis of the images").positive();
  app.option("--widths", o.net.widths, "channels per level, shallow to deep").delimiter(',').expected(5).positive();
  app.option("--batch", o.batches).delimiter(',').positive();
  app.option("--dtype", o.dtypes).delimiter(',').one_of({"f32", "bf16"});
  app.option("--only", o.only, "lines whose kernel and shape contain this");
  app.option("--rounds", o.measure.rounds).positive();
  app.flag("--warm", o.warm, "leave the L2 cache as the call before left it");
  app.flag("--values", o.values,
           "no times: the results of each convolution beside those of a plainer algorithm, exit 1 where they differ");
  app.option("--plans", o.net.rival_plans, "of cuDNN, tried before its fastest is measured; 0: no rivals")
      .not_negative();
  app.option("--seconds", o.seconds, "start no line after so long; 0: no limit").not_negative();
  app.option("--json", o.json, "a file for all figures");
}

std::vector<Plan> plans_of(const Options& o) {
  std::vector<Plan> plans;
  for (const std::int64_t batch : o.batches) {
    for (const std::string& dtype : o.dtypes) {
      NetShape net = o.net;
      net.batch = batch;
      net.dtype = dtype_named(dtype);
      for (const auto& make : {conv_plans, block_plans, loss_plans}) {
        std::ranges::move(make(net), std::back_inserter(plans));
      }
    }
  }
  std::ranges::move(adam_plans(o.net), std::back_inserter(plans));
  std::erase_if(plans, [&](const Plan& p) { return (p.kernel + " " + p.shape).find(o.only) == std::string::npos; });
  return plans;
}

/// Exit 1 where a result is further from the plainer algorithm's than their roundings allow.
int compare_values(const Options& o) {
  bool all_fine = true;
  fmt::print("# relative error of each convolution's results: the algorithm that is taken, and a plainer one\n");
  for (const Plan& plan : plans_of(o)) {
    if (o.measure.until && std::chrono::steady_clock::now() > *o.measure.until) {
      fmt::print("# the time was up\n");
      break;
    }
    const Case c = plan.make();
    if (!c.compare) { continue; }
    const Comparison r = c.compare();
    const bool fine = r.error <= r.allowed;  // NaN is not
    all_fine = all_fine && fine;
    fmt::print("{:<25}{:<15}{:>5}{:>4} {:<12} {:<8}{:>10.2e} {}\n", plan.kernel, plan.shape, name(plan.dtype),
               plan.batch, c.algorithm, r.against, r.error,
               fine ? "ok" : fmt::format("WRONG, allowed {:.0e}", r.allowed));
    static_cast<void>(std::fflush(stdout));
  }
  return all_fine ? 0 : 1;
}

int run(Options o) {
  o.net.device = select_device(o.device);
  VOX_CHECK(o.net.device != Device::cpu, "device 'cpu': vox_conv_bench and vox_bench time the CPU's kernels");
  o.measure.flush = !o.warm;
  if (o.seconds > 0) {
    o.measure.until =
        std::chrono::steady_clock::now() +
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(o.seconds));
  }
  if (o.values) {
    o.net.rival_plans = 0;
    return compare_values(o);
  }
  const Machine machine{.device = describe(o.net.device),
                        .cuda = cuda::versions(),
                        .cudnn = cudnn_version(),
                        .cublas = cublas_version(),
                        .ceilings = measure_ceilings(o.net.device)};
  print_head(machine, o.measure);
  std::vector<Result> results;
  for (const Plan& plan : plans_of(o)) {
    results.push_back(measure(plan, o.net.device, o.measure));
    print_row(machine, results.back());
  }
  if (!o.json.empty()) { write_json(o.json, machine, o.measure, results); }
  VOX_CHECK(!results.empty(), "no line contains '{}'", o.only);
  return std::ranges::any_of(results, &Result::failed) ? 1 : 0;
}

}  // namespace
}  // namespace vox::gpu_bench

int main(int argc, char** argv) {
  vox::CommandLine app("Every kernel of the network on a GPU", "vox_gpu_bench");
  vox::gpu_bench::Options o;
  vox::gpu_bench::parse(app, o);
  if (const std::optional<int> code = app.read(argc, argv)) { return *code; }
  try {
    return vox::gpu_bench::run(o);
  } catch (const vox::Error& e) {
    std::cerr << "vox_gpu_bench: " << e.what() << '\n';
    return 2;
  }
}
