#include "benchmarks/kernel_rivals.h"

#include <algorithm>

#include "benchmarks/gpu/rivals.h"
#include "benchmarks/kernel_operands.h"
#include "benchmarks/lab.h"
#include "benchmarks/probes.h"
#include "engine/context.h"
#include "kernels/check.h"

namespace vox::bench {
namespace {

constexpr std::array<const char*, 2> kLibraries = {"cudnn", "cublas"};

/// cuDNN's and cuBLAS' ways at a convolution, each a lane; nothing for other operators.
std::vector<RivalLane> library_lanes(const std::string& library, const KernelSpec& spec, Cache cache) {
  std::vector<RivalLane> lanes;
  if (!has_pass(spec.op, Pass::grad_weight) || spec.op == Op::conv3d_concat || spec.dtype == DType::f64) {
    return lanes;
  }
  const Operands operands = operands_of(spec, Device::cpu);
  const bool transposed = spec.op == Op::conv_transpose3d;
  const gpu_bench::ConvTask task{.geometry = geometry_of(spec, operands.inputs),
                                 .pass = spec.pass == Pass::grad_weight               ? Conv3dPass::grad_weight
                                         : (spec.pass == Pass::forward) != transposed ? Conv3dPass::correlate
                                                                                      : Conv3dPass::spread,
                                 .dtype = spec.dtype};
  for (const gpu_bench::Rival& r :
       library == "cudnn" ? gpu_bench::cudnn_rivals(task) : gpu_bench::cublas_rivals(task)) {
    lanes.push_back({.column = library,
                     .run =
                         [r, cache](std::int64_t calls) {
                           Times total;
                           for (std::int64_t i = 0; i < calls; ++i) {
                             if (cache == Cache::flushed) { flush_level2(Device::cuda); }
                             wait_for(Device::cuda);
                             total += measured([&] {
                               r.run();
                               wait_for(Device::cuda);
                             });
                           }
                           return total;
                         },
                     .way = r.name,
                     .error = ""});
  }
  return lanes;
}

RivalLane program_lane(const std::string& word, Child& program, const KernelSpec& spec, Cache cache) {
  RivalLane lane{.column = word, .run = {}, .way = "", .error = ""};
  try {
    const Json answer = program.ask(question_of(spec, cache));
    if (answer.value("nothing", false)) { return lane; }
    lane.way = answer.value("way", "");
    lane.run = [&program](std::int64_t calls) {
      const Json times = program.ask({{"do", "run"}, {"count", calls}});
      const auto all = static_cast<double>(calls);
      return Times{.wall_s = times.at("wall_s").get<double>() * all,
                   .processor_s = times.value("processor_s", 0.0) * all};
    };
  } catch (const Error& e) { lane.error = e.what(); }
  return lane;
}

}  // namespace

void KernelRivals::add(const std::string& word, const Programs& p, Device device) {
  if (std::ranges::find(kLibraries, word) != kLibraries.end()) {
    VOX_CHECK(device == Device::cuda, "--against {}: runs on cuda, not on {}", word, name(device));
    const std::string version = word == "cudnn" ? gpu_bench::cudnn_version() : gpu_bench::cublas_version();
    VOX_CHECK(version != "not built in", "--against {}: this program was built without it", word);
    descriptions_[word] = version;
    libraries_.push_back(word);
    return;
  }
  VOX_CHECK(word != "torch", "--against torch: is for step and predict");
  const Rival rival = rivals_named(word, {}, p).front();
  auto program = std::make_unique<Child>(rival.command, rival.environment);
  descriptions_[word] = name_of(*program, rival);
  programs_[word] = std::move(program);
}

std::vector<RivalLane> KernelRivals::lanes(const KernelSpec& spec, Cache cache) {
  std::vector<RivalLane> all;
  for (const auto& [word, program] : programs_) {
    RivalLane lane = program_lane(word, *program, spec, cache);
    if (lane.run || !lane.error.empty()) { all.push_back(std::move(lane)); }
  }
  for (const std::string& library : libraries_) {
    // Of several ways the first that was fastest in its own trials.
    std::vector<RivalLane> ways = library_lanes(library, spec, cache);
    if (!ways.empty()) { all.push_back(std::move(ways.front())); }
  }
  return all;
}

Json record_of(const KernelSpec& s) {
  return {{"op", name(s.op)},
          {"pass", name(s.pass)},
          {"shape", text_of(s.shape)},
          {"batch", s.batch},
          {"dtype", name(s.dtype)}};
}

Json question_of(const KernelSpec& s, Cache cache) {
  Json question{{"do", "prepare"}, {"work", "kernel"}};
  question.update(record_of(s));
  question["threads"] = cpu_queue().threads;
  question["conv"] = name(cpu_queue().conv);
  question["l2"] = cache == Cache::flushed ? "flushed" : "warm";
  return question;
}

KernelSpec spec_of(const Json& q) {
  return {.op = op_named(q.at("op").get<std::string>()),
          .pass = pass_named(q.at("pass").get<std::string>()),
          .shape = parse_shape(q.at("shape").get<std::string>()),
          .batch = q.value("batch", std::int64_t{1}),
          .dtype = dtype_named(q.value("dtype", "f32"))};
}

Cache cache_of(const Json& q) { return q.value("l2", "flushed") == "warm" ? Cache::warm : Cache::flushed; }

}  // namespace vox::bench
