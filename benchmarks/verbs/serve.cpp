#include "benchmarks/verbs/serve.h"

#include <fmt/core.h>

#include <memory>
#include <string>

#include "benchmarks/measure/machine.h"
#include "benchmarks/rivals/answers.h"
#include "benchmarks/rivals/kernel_rivals.h"
#include "benchmarks/workloads/kernel_case.h"
#include "benchmarks/workloads/lab.h"
#include "engine/allocator.h"
#include "engine/build.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

/// What is prepared, ready to run.
class Session {
 public:
  Json answer(const Json& question) {
    const auto what = question.at("do").get<std::string>();
    if (what == "hello") { return {{"name", fmt::format("voxgrad, commit {}", commit())}}; }
    if (what == "prepare") { return prepare(question); }
    if (what == "run") { return run(question.value("count", std::int64_t{1})); }
    VOX_FAIL("'{}' is no question: hello, prepare or run", what);
  }

 private:
  Json prepare(const Json& q) {
    lab_.reset();
    kernel_.reset();
    if (q.contains("threads")) { cpu_queue().threads = q.at("threads").get<int>(); }
    set_conv_choice(q.value("conv", "auto"));
    if (q.contains("isa")) { cpu_queue().isa = isa_named(q.at("isa").get<std::string>()); }
    work_ = q.at("work").get<std::string>();
    if (work_ == "kernel") {
      kernel_ = std::make_unique<KernelCase>(spec_of(q), select_device(q.value("device", "cpu")));
      cache_ = cache_of(q);
      return {{"way", kernel_->algorithm()}};
    }
    VOX_CHECK(work_ == "step" || work_ == "predict", "work '{}': wants kernel, step or predict", work_);
    LabOptions o;
    o.device = q.value("device", o.device);
    o.dtype = q.value("dtype", o.dtype);
    o.size = q.value("size", o.size);
    o.batch = q.value("batch", o.batch);
    o.preset = q.value("preset", o.preset);
    o.widths = q.value("widths", o.widths);
    o.fusion = q.value("fusion", o.fusion);
    o.graph = q.value("graph", o.graph);
    o.recompute = q.value("recompute", o.recompute);
    lab_ = std::make_unique<Lab>(o);
    return {{"name", fmt::format("voxgrad {}", describe(lab_->device()))}};
  }

  Json run(std::int64_t count) {
    VOX_CHECK((lab_ != nullptr || kernel_ != nullptr) && count >= 1, "nothing is prepared, or nothing to do");
    return kernel_ != nullptr ? run_kernel(count) : run_lab(count);
  }

  Json run_kernel(std::int64_t count) {
    const Times t = kernel_->run(count, cache_);
    const auto calls = static_cast<double>(count);
    return {{"wall_s", t.wall_s / calls}, {"processor_s", t.processor_s / calls}};
  }

  Json run_lab(std::int64_t count) {
    const auto steps = static_cast<double>(count);
    reset_peak(lab_->device());
    Json answer;
    answer["phases_s"] = Json::object();
    Times total;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::vector<Phase> phases = work_ == "step" ? lab_->train() : lab_->infer();
      total += total_of(phases);
      for (const Phase& p : phases) {
        Json& sum = answer["phases_s"][p.name];
        sum = (sum.is_null() ? 0.0 : sum.get<double>()) + p.times.wall_s / steps;
      }
    }
    answer["wall_s"] = total.wall_s / steps;
    answer["processor_s"] = total.processor_s / steps;
    answer["peak_tensor_bytes"] = lab_->peak_tensor_bytes();
    answer["peak_resident_bytes"] = peak_resident_bytes();
    answer["loss"] = lab_->loss();
    return answer;
  }

  std::unique_ptr<Lab> lab_;
  std::unique_ptr<KernelCase> kernel_;
  Cache cache_ = Cache::flushed;
  std::string work_;
};

}  // namespace

void serve() {
  Session session;
  answer_questions([&](const Json& question) { return session.answer(question); });
}

}  // namespace vox::bench
