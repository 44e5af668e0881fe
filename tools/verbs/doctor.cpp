#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "engine/build.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/ranks/job.h"
#include "engine/ranks/world.h"
#include "kernels/cuda/runtime.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/doctor_probe.h"
#include "tools/verbs/doctor_ranks.h"

namespace vox {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr int kSelfTestFailed = 5;  // numbers that cannot be trusted

}  // namespace

Json environment_report() {
  Json json;
  json["version"] = version();
  json["build"] = {{"commit", commit()}, {"type", build_type()}, {"compiler", compiler()}, {"cuda", cuda::built()}};
  const Machine m = probe_machine();
  json["cpu"] = {{"model", m.cpu}, {"threads", m.threads}, {"instruction_sets", m.isas}, {"instruction_set", m.isa}};
  json["cpu"]["caches_bytes"] = Json::object();
  for (const auto& [label, bytes] : m.caches) { json["cpu"]["caches_bytes"][label] = bytes; }
  json["memory"] = {{"bytes", m.memory_bytes}, {"free_bytes", m.memory_free_bytes}};
  json["gpus"] = Json::array();
  for (const cuda::DeviceInfo& d : cuda::devices()) {
    json["gpus"].push_back({{"name", d.name},
                            {"compute", fmt::format("{}.{}", d.compute_major, d.compute_minor)},
                            {"memory_bytes", d.memory_bytes}});
  }
  json["cuda"] = cuda::versions();
  json["mpi"] = mpi_version();
  json["nccl"] = nccl_version();
  json["libraries"] = Json::object();
  for (const auto& [library, its_version] : library_versions()) { json["libraries"][library] = its_version; }
  json["gnuplot"] = program_path("gnuplot");
  return json;
}

namespace {

bool passed(const Json& report) {
  const auto& tests = report["self_test"];
  return std::all_of(tests.begin(), tests.end(), [](const auto& t) { return t["passed"].template get<bool>(); });
}

Json report() {
  Json json = environment_report();
  json["self_test"] = Json::array();
  for (const SelfTest& t : self_test()) {
    json["self_test"].push_back({{"instruction_set", t.isa}, {"error", t.error}, {"passed", t.passed}});
  }
  if (world().size() > 1) {
    const Json mine = {{"host", host_name()},
                       {"threads", json["cpu"]["threads"]},
                       {"instruction_set", json["cpu"]["instruction_set"]},
                       {"gpus", json["gpus"].size()},
                       {"passed", passed(json)}};
    json["ranks"] = measure_ranks(world(), mine);
    json["ranks"]["cuda_aware"] = mpi_is_cuda_aware();
  }
  return json;
}

std::string text(const Json& value) { return value.is_string() ? value.get<std::string>() : json_text(value); }

void print_report(const Json& r) {
  const auto line = [](const std::string& label, const std::string& value) { fmt::print("{:<18} {}\n", label, value); };
  line("voxgrad", version_text());
  line("CPU", fmt::format("{}, {} threads", text(r["cpu"]["model"]), text(r["cpu"]["threads"])));
  line("kernels", fmt::format("{} (this CPU runs {})", text(r["cpu"]["instruction_set"]),
                              fmt::join(r["cpu"]["instruction_sets"].get<std::vector<std::string>>(), ", ")));
  for (const auto& [label, bytes] : r["cpu"]["caches_bytes"].items()) {
    line("cache " + label, fmt::format("{} KiB", bytes.get<std::int64_t>() / 1024));
  }
  line("memory", fmt::format("{:.1f} GiB, {:.1f} GiB free", r["memory"]["bytes"].get<double>() / kGiB,
                             r["memory"]["free_bytes"].get<double>() / kGiB));
  if (r["gpus"].empty()) { line("GPU", "none found"); }
  for (const auto& gpu : r["gpus"]) {
    line("GPU", fmt::format("{}, compute {}, {:.1f} GiB", text(gpu["name"]), text(gpu["compute"]),
                            gpu["memory_bytes"].get<double>() / kGiB));
  }
  line("CUDA", text(r["cuda"]));
  line("MPI",
       text(r["mpi"]) + (r.contains("ranks")
                             ? fmt::format(", {} ranks, threads may all call it, {} memory", r["ranks"]["ranks"].size(),
                                           r["ranks"]["cuda_aware"].get<bool>() ? "host and GPU" : "host")
                             : ""));
  line("NCCL", text(r["nccl"]));
  for (const auto& [library, its_version] : r["libraries"].items()) { line(library, text(its_version)); }
  line("gnuplot", text(r["gnuplot"]).empty() ? "not found: no learning curves (Debian, Ubuntu: apt install gnuplot-nox)"
                                             : text(r["gnuplot"]));
  for (const auto& t : r["self_test"]) {
    line("self-test", fmt::format("conv3d, {}: {}", text(t["instruction_set"]),
                                  t["passed"].get<bool>() ? "exact" : "WRONG by " + json_text(t["error"])));
  }
  if (r.contains("ranks")) { print_ranks(r["ranks"]); }
}

void run(bool json) {
  const Json r = report();
  if (!is_first_rank()) {
    // the first one speaks
  } else if (json) {
    fmt::print("{}\n", json_text(r, 2));
  } else {
    print_report(r);
  }
  if (!passed(r)) { throw ExitCode{kSelfTestFailed}; }
}

}  // namespace

void add_doctor(Command app) {
  const Command verb = app.command(
      "doctor", "Tell what this program and this machine are, and test a kernel; under mpirun, how fast the ranks are");
  auto json = std::make_shared<bool>(false);
  verb.flag("--json", *json, "as JSON");
  verb.run([json] { run(*json); });
}

}  // namespace vox
