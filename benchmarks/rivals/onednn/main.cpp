// oneDNN's side of `voxgrad bench … --against onednn`: answers a line of JSON for each line of JSON on stdin, see
// ../README.md. A program of its own, so that voxgrad never links oneDNN.

#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "benchmarks/measure/machine.h"
#include "benchmarks/rivals/answers.h"
#include "benchmarks/rivals/kernel_rivals.h"
#include "benchmarks/rivals/onednn/work.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::onednn {
namespace {

class Session {
 public:
  Json answer(const Json& q) {
    const auto what = q.at("do").get<std::string>();
    if (what == "hello") {
      const dnnl_version_t* const v = dnnl_version();
      return {{"name", fmt::format("oneDNN {}.{}.{}", v->major, v->minor, v->patch)}};
    }
    if (what == "prepare") { return prepare(q); }
    VOX_CHECK(what == "run" && work_ != nullptr, "'{}': wants hello, prepare, then run", what);
    const auto count = q.value("count", std::int64_t{1});
    const bench::Times t = work_->run(count, cache_);
    const auto calls = static_cast<double>(count);
    return {{"wall_s", t.wall_s / calls},
            {"processor_s", t.processor_s / calls},
            {"peak_resident_bytes", bench::peak_resident_bytes()}};
  }

 private:
  Json prepare(const Json& q) {
    work_.reset();  // its memory before the next takes its own
    cpu_queue().threads = q.value("threads", cpu_queue().threads);
    auto work = std::make_unique<Work>();
    const auto kind = q.at("work").get<std::string>();
    if (kind == "kernel") {
      cache_ = bench::cache_of(q);
      if (!prepare_kernel(*work, bench::spec_of(q))) { return {{"nothing", true}}; }
    } else {
      VOX_CHECK(kind == "predict" && q.value("dtype", "f32") == "f32" && q.value("device", "cpu") == "cpu" &&
                    q.value("preset", "seed") == "seed",
                "oneDNN runs kernels, and predict of the seed network in f32 on the CPU; {} it does not", kind);
      cache_ = bench::Cache::warm;
      prepare_network(*work, q.at("size").get<std::int64_t>(), q.at("batch").get<std::int64_t>(),
                      q.at("widths").get<std::vector<std::int64_t>>());
    }
    work_ = std::move(work);
    return {{"way", work_->way}, {"name", fmt::format("oneDNN, {}", work_->way)}};
  }

  std::unique_ptr<Work> work_;
  bench::Cache cache_ = bench::Cache::flushed;
};

/// The build from PyPI runs on Intel's OpenCL for CPUs, which lies beside it and has to be found.
void name_runtime() {
  const std::string runtime = VOX_ONEDNN_PREFIX "/lib/libintelocl.so";
  if (std::filesystem::exists(runtime)) { setenv("OCL_ICD_FILENAMES", runtime.c_str(), 0); }
}

}  // namespace
}  // namespace vox::onednn

int main() {
  vox::onednn::name_runtime();
  vox::onednn::Session session;
  vox::bench::answer_questions([&](const vox::Json& question) { return session.answer(question); });
}
