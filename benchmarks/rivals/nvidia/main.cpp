// cuDNN's and cuBLAS' side of `voxgrad bench kernel … --against cudnn,cublas`: answers a line of JSON for each line of
// JSON on stdin, see ../README.md. A program of its own, so that voxgrad never links them.
//   vox_nvidia cudnn | cublas

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <optional>
#include <string>

#include "benchmarks/gpu/rivals.h"
#include "benchmarks/measure/machine.h"
#include "benchmarks/measure/probes.h"
#include "benchmarks/rivals/kernel_rivals.h"
#include "benchmarks/workloads/kernel_operands.h"
#include "benchmarks/workloads/lab.h"
#include "engine/context.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"

namespace vox::nvidia {
namespace {

/// The library's ways at a convolution; none at other operators.
std::vector<gpu_bench::Rival> ways_of(bool cudnn, const bench::KernelSpec& spec) {
  if (!bench::has_pass(spec.op, bench::Pass::grad_weight) || spec.op == Op::conv3d_concat || spec.dtype == DType::f64) {
    return {};
  }
  const bench::Operands operands = bench::operands_of(spec, Device::cpu);
  const bool transposed = spec.op == Op::conv_transpose3d;
  const gpu_bench::ConvTask task{.geometry = bench::geometry_of(spec, operands.inputs),
                                 .pass = spec.pass == bench::Pass::grad_weight               ? Conv3dPass::grad_weight
                                         : (spec.pass == bench::Pass::forward) != transposed ? Conv3dPass::correlate
                                                                                             : Conv3dPass::spread,
                                 .dtype = spec.dtype};
  return cudnn ? gpu_bench::cudnn_rivals(task) : gpu_bench::cublas_rivals(task);
}

class Session {
 public:
  explicit Session(bool cudnn) : cudnn_(cudnn) {}

  Json answer(const Json& q) {
    const auto what = q.at("do").get<std::string>();
    if (what == "hello") {
      return {{"name", fmt::format("{}", cudnn_ ? "cuDNN " + gpu_bench::cudnn_version()
                                                : "cuBLAS " + gpu_bench::cublas_version())}};
    }
    if (what == "prepare") { return prepare(q); }
    VOX_CHECK(what == "run" && way_, "'{}': wants hello, prepare, then run", what);
    const auto count = q.value("count", std::int64_t{1});
    bench::Times total;
    for (std::int64_t i = 0; i < count; ++i) {
      if (cache_ == bench::Cache::flushed) { bench::flush_level2(Device::cuda); }
      bench::wait_for(Device::cuda);
      total += bench::measured([&] {
        way_->run();
        bench::wait_for(Device::cuda);
      });
    }
    const auto calls = static_cast<double>(count);
    return {{"wall_s", total.wall_s / calls}, {"processor_s", total.processor_s / calls}};
  }

 private:
  Json prepare(const Json& q) {
    way_.reset();  // its memory before the next takes its own
    VOX_CHECK(q.at("work").get<std::string>() == "kernel", "cuDNN and cuBLAS run kernels");
    static_cast<void>(select_device("cuda"));
    cache_ = bench::cache_of(q);
    const std::vector<gpu_bench::Rival> ways = ways_of(cudnn_, bench::spec_of(q));
    if (ways.empty()) { return {{"nothing", true}}; }
    way_ = ways.front();  // of several that which was fastest in its own trials
    return {{"way", way_->name}};
  }

  bool cudnn_;
  std::optional<gpu_bench::Rival> way_;
  bench::Cache cache_ = bench::Cache::flushed;
};

void serve(bool cudnn) {
  Session session(cudnn);
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      answer = session.answer(Json::parse(line));
    } catch (const std::exception& e) {  // whoever asked is told
      answer = {{"error", e.what()}};
    }
    fmt::print("{}\n", json_text(answer));
    static_cast<void>(std::fflush(stdout));  // somebody waits for it
  }
}

}  // namespace
}  // namespace vox::nvidia

int main(int argc, char** argv) {
  const std::string library = argc == 2 ? argv[1] : "";
  if (library != "cudnn" && library != "cublas") {
    fmt::print(stderr, "vox_nvidia: wants cudnn or cublas, and answers questions on stdin\n");
    return 2;
  }
  vox::nvidia::serve(library == "cudnn");
  return 0;
}
