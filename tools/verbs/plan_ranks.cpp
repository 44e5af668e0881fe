#include "tools/verbs/plan_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "model/scaling.h"
#include "tools/ui/table.h"

namespace vox {
namespace {

constexpr double kMs = 1e3;
constexpr double kMb = 1e-6;
constexpr double kGood = 0.9;

Fabric fabric_of(const RanksArgs& args) {
  Fabric f =
      args.fabric.ends_with(".json") ? measured_fabric(read_file(args.fabric), args.fabric) : fabric_named(args.fabric);
  if (args.latency_us >= 0) { f.latency_s = args.latency_us * 1e-6; }
  if (args.gbit_per_s > 0) { f.bytes_per_s = args.gbit_per_s * 1e9 / 8; }
  if (args.latency_us >= 0 || args.gbit_per_s > 0) { f.source = "as given, the rest: " + f.source; }
  return f;
}

/// One batch, or one for each rank, on those numbers of ranks that it can be shared by.
std::vector<ScalingPoint> points(const StepCosts& costs, const Fabric& fabric, const RanksArgs& args,
                                 std::int64_t batch, bool for_each) {
  std::vector<ScalingPoint> all;
  for (const std::int64_t r : args.ranks) {
    if (!for_each && r > batch) { continue; }  // no rank would be without a case
    all.push_back(scaled_step(costs, fabric, for_each ? batch * r : batch, r));
  }
  return all;
}

/// Where time is lost against ranks that need not talk and have an even part of all there is to do.
std::string greatest_loss(const ScalingPoint& p, const ScalingPoint& one) {
  const double part = static_cast<double>(p.batch) / static_cast<double>(one.batch * p.ranks);
  const std::array<std::pair<std::string, double>, 4> losses{{{"uneven shares", p.uneven_s},
                                                              {"statistics", p.statistics_s},
                                                              {"gradients", p.exposed_s},
                                                              {"rest of a step", p.even_s - part * one.step_s()}}};
  return std::ranges::max_element(losses, {}, [](const auto& l) { return l.second; })->first;
}

/// Four digits, or all before the point.
std::string number(double x) { return x < 1e4 ? fmt::format("{:.4g}", x) : fmt::format("{:.0f}", x); }

void print_table(const std::vector<ScalingPoint>& all, const ScalingPoint& one) {
  std::vector<std::vector<std::string>> rows{{"ranks", "batch", "step ms", "cases/s", "efficiency", "statistics ms",
                                              "gradients ms", "of it not hidden", "calls", "MB sent",
                                              "most is lost to"}};
  for (const ScalingPoint& p : all) {
    rows.push_back({fmt::format("{}", p.ranks), fmt::format("{}", p.batch), number(kMs * p.step_s()),
                    number(p.cases_per_s()), fmt::format("{:.1f} %", 100 * efficiency(p, one)),
                    fmt::format("{:.3g}", kMs * p.statistics_s), fmt::format("{:.3g}", kMs * p.exchange_s),
                    fmt::format("{:.3g}", kMs * p.exposed_s), fmt::format("{}", p.collectives),
                    fmt::format("{:.1f}", kMb * p.sent_bytes), p.ranks == 1 ? "-" : greatest_loss(p, one)});
  }
  fmt::print("{}", text_table(rows));
}

/// Up to where ranks are worth it, and what is in the way behind that.
void say_bend(const std::vector<ScalingPoint>& all, const ScalingPoint& one) {
  const auto poor = std::ranges::find_if(all, [&](const ScalingPoint& p) { return efficiency(p, one) < kGood; });
  if (poor == all.end()) {
    fmt::print("all of these at 90 % or better\n\n");
    return;
  }
  fmt::print("below 90 % from {} ranks on: {}\n\n", poor->ranks, greatest_loss(*poor, one));
}

Json to_json(const std::vector<ScalingPoint>& all, const ScalingPoint& one) {
  Json list = Json::array();
  for (const ScalingPoint& p : all) {
    list.push_back({{"ranks", p.ranks},
                    {"batch", p.batch},
                    {"step_s", p.step_s()},
                    {"cases_per_s", p.cases_per_s()},
                    {"efficiency", efficiency(p, one)},
                    {"even_s", p.even_s},
                    {"uneven_s", p.uneven_s},
                    {"statistics_s", p.statistics_s},
                    {"exchange_s", p.exchange_s},
                    {"exposed_s", p.exposed_s},
                    {"collectives", p.collectives},
                    {"sent_bytes", p.sent_bytes}});
  }
  return list;
}

}  // namespace

void add_ranks_options(Command verb, RanksArgs& a) {
  const char* const group = "Ranks";
  verb.option("--ranks", a.ranks, "instead: time of a step on so many ranks, by a model (docs/cluster.md)")
      .delimiter(',')
      .type_name("N,...")
      .default_text("")
      .group(group);
  std::vector<std::string> names;
  for (const Fabric& f : known_fabrics()) { names.push_back(f.name); }
  verb.option("--fabric", a.fabric,
              fmt::format("what joins them: {}, or a file that mpirun -n N voxgrad doctor --json has printed",
                          fmt::join(names, ", ")))
      .type_name("NAME|FILE.json")
      .group(group);
  verb.option("--latency-us", a.latency_us, "of a message").not_negative().default_text("the fabric's").group(group);
  verb.option("--bandwidth-gbit", a.gbit_per_s, "of a rank in each direction, Gbit/s")
      .positive()
      .default_text("the fabric's")
      .group(group);
  verb.option("--case-ms", a.case_ms, "forward and backward pass of a case on one rank, as bench step measures them")
      .positive()
      .default_text("")
      .group(group);
  verb.option("--rest-ms", a.rest_ms, "what a step takes beside its cases: the update").not_negative().group(group);
  verb.option("--reduce", a.reduce, "ordered: the same bits on any number of ranks; fast: an all-reduce")
      .one_of({"ordered", "fast"})
      .group(group);
}

void plan_ranks(const TrainOptions& o, const RanksArgs& args, bool json) {
  VOX_CHECK(args.case_ms > 0,
            "--ranks wants --case-ms, which voxgrad bench step measures: forward and backward of a "
            "batch over its cases");
  VOX_CHECK(std::ranges::min(args.ranks) >= 1, "--ranks is {}, wants numbers from 1 on", std::ranges::min(args.ranks));
  const Fabric fabric = fabric_of(args);
  StepCosts costs = costs_of(unet_config(o));
  costs.case_s = args.case_ms / kMs;
  costs.rest_s = args.rest_ms / kMs;
  costs.reduce = args.reduce == "fast" ? Reduce::fast : Reduce::ordered;
  const ScalingPoint one = scaled_step(costs, fabric, o.batch, 1);
  const std::vector<ScalingPoint> strong = points(costs, fabric, args, o.batch, false);
  const std::vector<ScalingPoint> weak = points(costs, fabric, args, o.batch, true);
  if (json) {
    const Json all{{"preset", o.preset},
                   {"parameters", costs.parameters},
                   {"batch_norms", costs.batch_norms.size()},
                   {"instance_norms", costs.instance_norms.size()},
                   {"heads", costs.heads},
                   {"case_s", costs.case_s},
                   {"rest_s", costs.rest_s},
                   {"reduce", args.reduce},
                   {"fabric",
                    {{"name", fabric.name},
                     {"latency_s", fabric.latency_s},
                     {"bytes_per_s", fabric.bytes_per_s},
                     {"source", fabric.source}}},
                   {"strong", to_json(strong, one)},
                   {"weak", to_json(weak, one)}};
    fmt::print("{}\n", json_text(all, 2));
    return;
  }
  fmt::print("a model, not a measurement: {}, {} parameters, {} norms, {} sums\n", o.preset, costs.parameters,
             costs.batch_norms.size() + costs.instance_norms.size(), args.reduce);
  fmt::print("{}: {:.3g} us a message, {:.4g} GB/s ({})\n\n", fabric.name, 1e6 * fabric.latency_s,
             1e-9 * fabric.bytes_per_s, fabric.source);
  if (!strong.empty()) {
    fmt::print("a batch of {}, shared:\n", o.batch);
    print_table(strong, one);
    say_bend(strong, one);
  }
  fmt::print("{} {} for each rank:\n", o.batch, o.batch == 1 ? "case" : "cases");
  print_table(weak, one);
  say_bend(weak, one);
}

}  // namespace vox
