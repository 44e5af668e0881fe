// cuDNN's or cuBLAS' side of `voxgrad bench kernel … --against cudnn,cublas`: answers a line of JSON for each line of
// JSON on stdin, see ../../README.md. Programs of their own, so that voxgrad never links them.
//   vox_cudnn [PLANS] [tf32]        vox_cublas [tf32]

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "benchmarks/measure/device_clock.h"
#include "benchmarks/rivals/answers.h"
#include "benchmarks/rivals/kernel_rivals.h"
#include "benchmarks/rivals/nvidia/library.h"
#include "benchmarks/workloads/kernel_operands.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::nvidia {
namespace {

struct Options {
  int plans = 4;
  bool tf32 = false;
};

/// The convolution that a question is about; none where it is about another operator.
std::optional<ConvTask> task_of(const bench::KernelSpec& spec, const Options& o) {
  if (!bench::has_pass(spec.op, bench::Pass::grad_weight) || spec.op == Op::conv3d_concat || spec.dtype == DType::f64 ||
      (o.tf32 && spec.dtype != DType::f32)) {
    return {};
  }
  return ConvTask{.geometry = bench::geometry_of(spec),
                  .pass = bench::conv_pass_of(spec),
                  .dtype = spec.dtype,
                  .tf32 = o.tf32,
                  .plans = o.plans};
}

class Session {
 public:
  explicit Session(const Options& o) : options_(o) {}

  Json answer(const Json& q) {
    const auto what = q.at("do").get<std::string>();
    if (what == "hello") { return {{"name", library_name() + (options_.tf32 ? ", TF32" : "")}}; }
    if (what == "prepare") { return prepare(q); }
    VOX_CHECK(what == "run" && way_, "'{}': wants hello, prepare, then run", what);
    const auto count = q.value("count", std::int64_t{1});
    const bench::Times total = bench::run_calls(*clock_, Device::cuda, count, cache_, way_->run);
    const auto calls = static_cast<double>(count);
    return {{"wall_s", total.wall_s / calls}, {"processor_s", total.processor_s / calls}};
  }

 private:
  Json prepare(const Json& q) {
    way_.reset();  // its memory before the next takes its own
    VOX_CHECK(q.at("work").get<std::string>() == "kernel", "cuDNN and cuBLAS run kernels");
    static_cast<void>(select_device(q.value("device", "cuda")));
    if (!clock_) { clock_.emplace(Device::cuda); }
    cache_ = bench::cache_of(q);
    const std::optional<ConvTask> task = task_of(bench::spec_of(q), options_);
    const std::vector<Way> ways = task ? ways_of(*task) : std::vector<Way>{};
    if (ways.empty()) { return {{"nothing", true}}; }
    way_ = ways.front();
    return {{"way", way_->name}};
  }

  Options options_;
  std::optional<Way> way_;
  std::optional<bench::DeviceClock> clock_;
  bench::Cache cache_ = bench::Cache::flushed;
};

}  // namespace
}  // namespace vox::nvidia

int main(int argc, char** argv) {
  vox::nvidia::Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    char* end = nullptr;
    const long plans = std::strtol(argv[i], &end, 10);
    if (word == "tf32") {
      o.tf32 = true;
    } else if (*end == '\0' && plans >= 1 && plans <= 1000) {
      o.plans = static_cast<int>(plans);
    } else {
      fmt::print(stderr, "'{}': wants a number of plans or tf32, and answers questions on stdin\n", word);
      return 2;
    }
  }
  vox::nvidia::Session session(o);
  vox::bench::answer_questions([&](const vox::Json& question) { return session.answer(question); });
  return 0;
}
