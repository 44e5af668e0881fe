#include "benchmarks/serve.h"

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "benchmarks/lab.h"
#include "benchmarks/machine.h"
#include "commit.h"  // made by the build
#include "engine/allocator.h"
#include "engine/context.h"
#include "kernels/check.h"

namespace vox::bench {
namespace {

/// What is prepared, ready to run.
class Session {
 public:
  Json answer(const Json& question) {
    const auto what = question.at("do").get<std::string>();
    if (what == "hello") { return {{"name", "voxgrad, commit " VOX_COMMIT}}; }
    if (what == "prepare") { return prepare(question); }
    if (what == "run") { return run(question.value("count", 1)); }
    VOX_FAIL("'{}' is no question: hello, prepare or run", what);
  }

 private:
  Json prepare(const Json& q) {
    lab_.reset();
    LabOptions o;
    o.device = q.value("device", o.device);
    o.dtype = q.value("dtype", o.dtype);
    o.size = q.value("size", o.size);
    o.batch = q.value("batch", o.batch);
    o.widths = q.value("widths", o.widths);
    if (q.contains("threads")) { cpu_queue().threads = q.at("threads").get<int>(); }
    work_ = q.at("work").get<std::string>();
    VOX_CHECK(work_ == "step" || work_ == "predict", "work '{}': wants step or predict", work_);
    lab_ = std::make_unique<Lab>(o);
    return {{"name", fmt::format("voxgrad {}", describe(lab_->device()))}};
  }

  Json run(int count) {
    VOX_CHECK(lab_ != nullptr && count >= 1, "nothing is prepared, or nothing to do");
    reset_peak(lab_->device());
    Json answer;
    answer["phases_s"] = Json::object();
    Times total;
    for (int i = 0; i < count; ++i) {
      const std::vector<Phase> phases = work_ == "step" ? lab_->train() : lab_->infer();
      total += total_of(phases);
      for (const Phase& p : phases) {
        Json& sum = answer["phases_s"][p.name];
        sum = (sum.is_null() ? 0.0 : sum.get<double>()) + p.times.wall_s / count;
      }
    }
    answer["wall_s"] = total.wall_s / count;
    answer["processor_s"] = total.processor_s / count;
    answer["peak_tensor_bytes"] = memory_report(lab_->device()).peak_bytes;
    answer["peak_resident_bytes"] = peak_resident_bytes();
    answer["loss"] = lab_->loss();
    return answer;
  }

  std::unique_ptr<Lab> lab_;
  std::string work_;
};

}  // namespace

void serve() {
  Session session;
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      answer = session.answer(Json::parse(line));
    } catch (const std::exception& e) {  // of ours, of the allocator, of the parser: whoever asked is told
      answer = {{"error", e.what()}};
    }
    fmt::print("{}\n", answer.dump());
    static_cast<void>(std::fflush(stdout));  // somebody waits for it
  }
}

}  // namespace vox::bench
