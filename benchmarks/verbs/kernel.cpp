#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "benchmarks/measure/machine.h"
#include "benchmarks/measure/probes.h"
#include "benchmarks/measure/rounds.h"
#include "benchmarks/measure/spread.h"
#include "benchmarks/rivals/child.h"
#include "benchmarks/rivals/kernel_rivals.h"
#include "benchmarks/verbs/bench.h"
#include "benchmarks/verbs/roofline_plot.h"
#include "benchmarks/workloads/kernel_case.h"
#include "engine/allocator.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

struct Options {
  Common common;
  std::vector<std::string> ops;
  std::vector<std::string> shapes;
  std::vector<std::string> passes;
  std::vector<std::string> dtypes{"f32"};
  std::vector<std::int64_t> sizes{128, 64};
  std::vector<std::int64_t> batches{1};
  std::string cache = "flushed";
  std::string plot;
  double least_s = 0.02;
};

std::vector<KernelSpec> rows_of(const Options& o) {
  std::vector<KernelSpec> rows;
  const auto wanted = [](const std::vector<std::string>& list, std::string_view word) {
    return list.empty() || std::ranges::find(list, word) != list.end();
  };
  for (const std::string& op : o.ops) { static_cast<void>(op_named(op)); }
  for (const std::int64_t batch : o.batches) {
    for (const std::string& dtype : o.dtypes) {
      std::vector<KernelSpec> all;
      for (const std::int64_t size : o.sizes) {
        if (o.shapes.empty()) {
          std::ranges::move(seed_rows(size, batch, dtype_named(dtype)), std::back_inserter(all));
        }
      }
      VOX_CHECK(o.shapes.empty() || !o.ops.empty(), "--shape: wants --op as well: whose shape it is");
      for (const std::string& shape : o.shapes) {
        for (const std::string& op : o.ops) {
          for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
            if (!has_pass(op_named(op), pass)) { continue; }
            all.push_back({op_named(op), pass, parse_shape(shape), batch, dtype_named(dtype)});
          }
        }
      }
      std::erase_if(all,
                    [&](const KernelSpec& r) { return !wanted(o.ops, name(r.op)) || !wanted(o.passes, name(r.pass)); });
      std::ranges::move(all, std::back_inserter(rows));
    }
  }
  VOX_CHECK(!rows.empty(), "no line is left: there is no such pass of that operator");
  return rows;
}

std::vector<std::string> cells_of(const KernelSpec& r) {
  return {std::string(name(r.op)), std::string(name(r.pass)), text_of(r.shape), std::to_string(r.batch),
          std::string(name(r.dtype))};
}

std::vector<double> walls(const std::vector<Times>& times) {
  std::vector<double> s;
  for (const Times& t : times) { s.push_back(t.wall_s); }
  return s;
}
std::vector<double> processors(const std::vector<Times>& times) {
  std::vector<double> s;
  for (const Times& t : times) { s.push_back(t.processor_s / cpu_queue().threads); }
  return s;
}

/// Measures lines one after the other and prints them.
class Bench {
 public:
  explicit Bench(const Options& o)
      : options_(o),
        cache_(o.cache == "flushed" ? Cache::flushed : Cache::warm),
        device_(select_device(o.common.device)),
        report_({.json = o.common.json, .csv = o.common.csv}),
        ceilings_(measure_ceilings(device_)) {}

  void run() {
    const std::vector<KernelSpec> rows = rows_of(options_);
    head();
    for (const std::string& word : options_.common.against) {
      try {
        rivals_.add(word, options_.common.programs, device_);
        columns_.push_back(word);
        report_.head({{word, rivals_.description(word)}});
      } catch (const Error& e) { report_.missing(e.what()); }
    }
    start_table();
    for (const KernelSpec& r : rows) {
      release_unused(device_);
      try {
        measure(r);
      } catch (const Error& e) { report_.failed(record_of(r), cells_of(r), e.what()); }
    }
    if (!on_voxels_.empty()) {
      report_.remark(fmt::format(
          "GFLOP/s counts all taps of the direct form; on voxels and not on padding, as benchdnn counts, are {}",
          fmt::join(on_voxels_, ", ")));
    }
    if (!options_.plot.empty()) { plot_roofline(options_.plot, report_.json()); }
    report_.finish();
  }

 private:
  void head() {
    report_.head(machine_facts(device_));
    report_.head(
        {{"ceilings",
          fmt::format("{} GFLOP/s f32 multiply-adds{}, {} GB/s copy, by processor time",
                      digits(ceilings_.f32_flop_per_s / 1e9),
                      ceilings_.tensor_flop_per_s > 0
                          ? fmt::format(", {} GFLOP/s bf16 tensor", digits(ceilings_.tensor_flop_per_s / 1e9))
                          : "",
                      digits(ceilings_.copy_bytes_per_s / 1e9))},
         {"rounds", fmt::format("{}, level-2 cache {}", options_.common.rounds, options_.cache)},
         {"roof %", device_ == Device::cpu
                        ? "of the time the ceilings allow, both measured in the same round; cpu: by processor time"
                        : "of the time the ceilings allow"},
         {"rivals", "theirs / ours, median of the rounds' ratios, in turns; above 1 voxgrad is faster"}});
    report_.head({{"ceiling_f32_flop_per_s", Json::array({ceilings_.f32_flop_per_s})},
                  {"ceiling_tensor_flop_per_s", Json::array({ceilings_.tensor_flop_per_s})},
                  {"ceiling_copy_bytes_per_s", Json::array({ceilings_.copy_bytes_per_s})}});
  }

  void start_table() {
    std::vector<Column> all{
        {.heading = "operator", .width = 22, .text = true}, {.heading = "pass", .width = 11, .text = true},
        {.heading = "shape", .width = 15, .text = true},    {.heading = "n", .width = 1},
        {.heading = "type", .width = 4, .text = true},      {.heading = "algorithm", .width = 9, .text = true}};
    for (const char* const heading : {"ms", "spread %", "cpu ms", "GFLOP/s", "GB/s", "roof %", "cpu roof %"}) {
      all.push_back({.heading = heading, .width = 7});
    }
    all.push_back({.heading = "bound", .width = 5, .text = true});
    for (const std::string& c : columns_) {
      all.push_back({.heading = c});
      if (device_ == Device::cpu) { all.push_back({.heading = c + " cpu"}); }
    }
    report_.table(all);
  }

  void measure(const KernelSpec& r) {
    const auto ours = std::make_shared<KernelCase>(r, device_);
    std::vector<Lane> lanes{{"voxgrad", [&](std::int64_t calls) { return ours->run(calls, cache_); }}};
    const std::size_t probes = device_ == Device::cpu ? 2 : 0;
    if (probes > 0) {
      lanes.push_back({"multiply-adds", [](std::int64_t calls) { return probe_multiply_adds(calls).times; }});
      lanes.push_back({"copy", [](std::int64_t calls) { return probe_copy(calls).times; }});
    }
    const std::vector<RivalLane> rivals = rivals_.lanes(r, cache_);
    for (const RivalLane& rival : rivals) {
      if (rival.run) { lanes.push_back({rival.column, rival.run}); }
    }
    const LaneTimes times = run_rounds(lanes, {.rounds = options_.common.rounds, .least_s = options_.least_s});
    print(r, *ours, times, rivals);
  }

  /// Shares of the roof by round: the time the ceilings of that round allow over what it took.
  [[nodiscard]] std::vector<double> shares(const KernelSpec& r, const Cost& cost, const std::vector<double>& taken,
                                           const std::vector<double>& fma_s, const std::vector<double>& copy_s) const {
    std::vector<double> result;
    for (std::size_t i = 0; i < taken.size(); ++i) {
      double flop_per_s = ceilings_.flop_per_s(r.dtype);
      double bytes_per_s = ceilings_.copy_bytes_per_s;
      if (!fma_s.empty()) {
        flop_per_s = probe_flops_ / fma_s[i] / (r.dtype == DType::f64 ? 2 : 1);
        bytes_per_s = probe_bytes_ / copy_s[i];
      }
      result.push_back(std::max(cost.flops / flop_per_s, cost.bytes / bytes_per_s) / taken[i]);
    }
    return result;
  }

  /// Where more than one tap in a hundred lies on padding.
  void note_padding(const KernelShape& shape, const Cost& cost) {
    if (cost.flops_on_voxels >= 0.99 * cost.flops) { return; }
    const std::string note = fmt::format("{} % at {}", percent(cost.flops_on_voxels / cost.flops), extents_of(shape));
    if (std::ranges::find(on_voxels_, note) == on_voxels_.end()) { on_voxels_.push_back(note); }
  }

  void print(const KernelSpec& r, const KernelCase& c, const LaneTimes& times, const std::vector<RivalLane>& rivals) {
    const bool probed = device_ == Device::cpu;
    const std::vector<double> none;
    const Cost& cost = c.cost();
    const Spread wall = spread_of(walls(times[0]));
    const double processor_s = spread_of(processors(times[0])).median;
    const double roof =
        spread_of(shares(r, cost, walls(times[0]), probed ? walls(times[1]) : none, probed ? walls(times[2]) : none))
            .median;
    const double cpu_roof =
        probed ? spread_of(shares(r, cost, processors(times[0]), processors(times[1]), processors(times[2]))).median
               : NAN;
    const bool flops_bind = cost.flops / ceilings_.flop_per_s(r.dtype) > cost.bytes / ceilings_.copy_bytes_per_s;
    Json record = record_of(r);
    record["algorithm"] = c.algorithm();
    record["ms"] = 1e3 * wall.median;
    record["spread"] = wall.relative();
    record["processor_ms_per_thread"] = 1e3 * processor_s;
    record["flops"] = cost.flops;
    record["flops_on_voxels"] = cost.flops_on_voxels;
    note_padding(r.shape, cost);
    record["bytes"] = cost.bytes;
    record["gflop_per_s"] = cost.flops / wall.median / 1e9;
    record["gb_per_s"] = cost.bytes / wall.median / 1e9;
    record["roof_share"] = roof;
    if (probed) { record["processor_roof_share"] = cpu_roof; }
    record["bound"] = flops_bind ? "flops" : "bytes";
    record["samples_s"] = walls(times[0]);
    std::vector<std::string> cells = cells_of(r);
    for (const std::string& cell :
         {c.algorithm(), digits(1e3 * wall.median), percent(wall.relative()), digits(1e3 * processor_s),
          cost.flops > 0 ? digits(cost.flops / wall.median / 1e9) : "-", digits(cost.bytes / wall.median / 1e9),
          percent(roof), percent(cpu_roof), std::string(flops_bind ? "flops" : "bytes")}) {
      cells.push_back(cell);
    }
    std::size_t lane = probed ? 3 : 1;
    const std::size_t figures = probed ? 2 : 1;
    std::vector<std::string> theirs(figures * columns_.size(), "-");
    for (const RivalLane& rival : rivals) {
      const auto at = static_cast<std::size_t>(std::ranges::find(columns_, rival.column) - columns_.begin());
      if (!rival.run) {
        record["rival_errors"][rival.column] = rival.error;
        report_.missing(
            fmt::format("{}, {} {} {}: {}", rival.column, name(r.op), name(r.pass), text_of(r.shape), rival.error));
        continue;
      }
      const Spread ratio = spread_of(ratios(walls(times[lane]), walls(times[0])));
      theirs.at(figures * at) = fmt::format("{:.2f}", ratio.median);
      if (probed) {
        const double processor = spread_of(ratios(processors(times[lane]), processors(times[0]))).median;
        theirs.at(figures * at + 1) = fmt::format("{:.2f}", processor);
        record[rival.column + "_processor_ratio"] = processor;
      }
      record[rival.column + "_ratio"] = ratio.median;
      record[rival.column + "_ms"] = 1e3 * spread_of(walls(times[lane])).median;
      record[rival.column + "_samples_s"] = walls(times[lane]);
      record[rival.column + "_way"] = rival.way;
      ++lane;
    }
    cells.insert(cells.end(), theirs.begin(), theirs.end());
    report_.row(record, cells);
  }

  const Options& options_;
  Cache cache_;
  Device device_;
  Report report_;
  Ceilings ceilings_;
  double probe_flops_ = device_ == Device::cpu ? probe_multiply_adds(1).amount : 0;
  double probe_bytes_ = device_ == Device::cpu ? probe_copy(1).amount : 0;
  KernelRivals rivals_;
  std::vector<std::string> columns_;
  std::vector<std::string> on_voxels_;  ///< what note_padding() noted
};

}  // namespace

void add_kernel_verb(Command bench) {
  const Command verb = bench.command("kernel", "Every operator: time, rates, share of the roofline, rivals");
  const auto o = std::make_shared<Options>();
  o->common.rounds = 9;
  verb.option("--op", o->ops, "operators, as conv3d or batch_norm; without it all").delimiter(',');
  verb.option("--shape", o->shapes,
              "channels, -channels out, @extents: 16-32@128^3, 16+16-16@64^3, 16@155x240x240, 16-4@128^3k1; without "
              "it the seed network's own")
      .delimiter(',');
  verb.option("--pass", o->passes).delimiter(',').one_of({"forward", "grad-input", "grad-weight"});
  verb.option("--dtype", o->dtypes).delimiter(',').one_of({"f32", "f64", "bf16"});
  verb.option("--size", o->sizes, "of the network's images, for its shapes").delimiter(',').positive();
  verb.option("--batch", o->batches).delimiter(',').positive();
  verb.option("--l2", o->cache, "before each call").one_of({"flushed", "warm"});
  verb.option("--least-seconds", o->least_s, "of one measurement").range(1e-6, 3600.0);
  verb.option("--plot", o->plot, "a roofline as .png or .svg, drawn by gnuplot");
  add_common_options(verb, o->common,
                     "onednn, cudnn, cublas, or the path of another build of voxgrad; in turns with ours");
  verb.run([o] {
    if (o->common.threads > 0) { cpu_queue().threads = o->common.threads; }
    Bench(*o).run();
  });
}

}  // namespace vox::bench
