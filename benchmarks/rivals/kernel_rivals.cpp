#include "benchmarks/rivals/kernel_rivals.h"

#include <algorithm>

#include "benchmarks/workloads/kernel_operands.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

RivalLane program_lane(const std::string& word, Child& program, const KernelSpec& spec, Cache cache,
                       const std::string& device) {
  RivalLane lane{.column = word, .run = {}, .way = "", .error = ""};
  try {
    const Json answer = program.ask(question_of(spec, cache, device));
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
  if (word.starts_with("cudnn") || word.starts_with("cublas")) {
    VOX_CHECK(device == Device::cuda, "--against {}: runs on cuda, not on {}", word, name(device));
  }
  VOX_CHECK(word != "torch", "--against torch: is for step and predict");
  const Rival rival = rivals_named(word, {}, p).front();
  auto program = std::make_unique<Child>(rival.command, rival.environment);
  descriptions_[word] = name_of(*program, rival);
  programs_[word] = std::move(program);
}

std::vector<RivalLane> KernelRivals::lanes(const KernelSpec& spec, Cache cache, const std::string& device) {
  std::vector<RivalLane> all;
  for (const auto& [word, program] : programs_) {
    RivalLane lane = program_lane(word, *program, spec, cache, device);
    if (lane.run || !lane.error.empty()) { all.push_back(std::move(lane)); }
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

Json question_of(const KernelSpec& s, Cache cache, const std::string& device) {
  Json question{{"do", "prepare"}, {"work", "kernel"}};
  question.update(record_of(s));
  question["threads"] = cpu_queue().threads;
  question["conv"] = name(cpu_queue().conv);
  question["isa"] = name(cpu_queue().isa);
  question["device"] = device;
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
