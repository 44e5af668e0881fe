#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "benchmarks/measure/ceilings.h"
#include "benchmarks/measure/machine.h"
#include "benchmarks/measure/probes.h"
#include "benchmarks/measure/rounds.h"
#include "benchmarks/measure/spread.h"
#include "benchmarks/rivals/child.h"
#include "benchmarks/rivals/kernel_rivals.h"
#include "benchmarks/verbs/kernel_options.h"
#include "benchmarks/verbs/roofline_plot.h"
#include "engine/allocator.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

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

/// What was measured of one line, in turns.
struct Measured {
  const KernelSpec& spec;
  const Cost& cost;
  std::size_t peak_bytes;  ///< of our tensors
  std::vector<RivalLane> rivals;
  LaneTimes times;  ///< of our ways, then the CPU's two probes, then the rivals that run
  std::size_t ways;
};

class Bench {
 public:
  explicit Bench(const KernelOptions& o)
      : options_(o),
        ways_(ways_of(o)),
        widest_({.isa = std::ranges::max(ways_, {}, &Way::isa).isa, .conv = ways_.front().conv}),
        cache_(o.cache == "flushed" ? Cache::flushed : Cache::warm),
        device_(select_device(o.common.device)),
        probed_(device_ == Device::cpu),
        report_({.json = o.common.json, .csv = o.common.csv, .page = o.common.page}),
        ceilings_(measure_ceilings(device_)) {
    flush_level2(device_);  // takes its memory before anybody asks what a line takes
  }

  void run() {
    const Deadline deadline(options_.common.seconds);
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
    std::size_t begun = 0;
    for (; begun < rows.size() && !deadline.passed(); ++begun) {
      release_unused(device_);
      try {
        measure(rows[begun]);
      } catch (const Error& e) { report_.failed(record_of(rows[begun]), cells_of(rows[begun]), e.what()); }
    }
    report_.not_begun(rows.size() - begun);
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
    const auto giga = [](double rate) { return digits(rate / 1e9); };
    std::string ceilings = fmt::format("{} GFLOP/s f32 multiply-adds", giga(ceilings_.f32_flop_per_s));
    if (probed_) {
      ceilings += fmt::format(", {} GB/s copy, by processor time", giga(ceilings_.copy_bytes_per_s));
    } else {
      ceilings += fmt::format(", {} GFLOP/s bf16 mma.sync, {} GB/s copy, {} GB/s from the L2 cache, {} us a launch",
                              giga(ceilings_.tensor_flop_per_s), giga(ceilings_.copy_bytes_per_s),
                              giga(ceilings_.cached_bytes_per_s), digits(1e6 * ceilings_.launch_s));
    }
    report_.head({{"ceilings", ceilings},
                  {"rounds", fmt::format("{}, level-2 cache {}", options_.common.rounds, options_.cache)},
                  {"ms", device_ == Device::cuda ? "by the GPU's events" : "by the clock on the wall"},
                  {"roof %", probed_ ? "of the time the ceilings allow, both measured in the same round; cpu: by "
                                       "processor time"
                                     : "of the time the ceilings allow"},
                  {"rivals", "theirs / ours, median of the rounds' ratios, in turns; above 1 voxgrad is faster"}});
    report_.head({{"ceiling_f32_flop_per_s", Json::array({ceilings_.f32_flop_per_s})},
                  {"ceiling_tensor_flop_per_s", Json::array({ceilings_.tensor_flop_per_s})},
                  {"ceiling_copy_bytes_per_s", Json::array({ceilings_.copy_bytes_per_s})},
                  {"ceiling_cached_bytes_per_s", Json::array({ceilings_.cached_bytes_per_s})},
                  {"launch_s", Json::array({ceilings_.launch_s})}});
  }

  void start_table() {
    std::vector<Column> all{
        {.heading = "operator", .width = 22, .text = true}, {.heading = "pass", .width = 11, .text = true},
        {.heading = "shape", .width = 15, .text = true},    {.heading = "n", .width = 1},
        {.heading = "type", .width = 4, .text = true},      {.heading = "algorithm", .width = 9, .text = true}};
    if (!options_.common.isa.empty()) { all.push_back({.heading = "isa", .width = 8, .text = true}); }
    for (const char* const heading : {"ms", "spread %"}) { all.push_back({.heading = heading, .width = 7}); }
    if (probed_) { all.push_back({.heading = "cpu ms", .width = 7}); }
    for (const char* const heading : {"GFLOP/s", "GB/s", "roof %"}) { all.push_back({.heading = heading, .width = 7}); }
    if (probed_) { all.push_back({.heading = "cpu roof %", .width = 7}); }
    all.push_back({.heading = "bound", .width = 5, .text = true});
    all.push_back({.heading = "MiB", .width = 6});
    for (const std::string& c : columns_) {
      all.push_back({.heading = c});
      if (probed_) { all.push_back({.heading = c + " cpu"}); }
    }
    report_.table(all);
  }

  void measure(const KernelSpec& r) {
    reset_peak(device_);
    const std::size_t before = memory_report(device_).in_use_bytes;
    KernelCase ours(r, device_);
    const std::vector<Way> ways = different_ways(ways_, ours);
    std::vector<Lane> lanes;
    for (const Way& way : ways) {
      lanes.push_back({"voxgrad", [&, way](std::int64_t calls) {
                         const WayScope scope(way);
                         return ours.run(calls, cache_);
                       }});
    }
    if (probed_) {
      const auto in_widest = [this](auto probe) {
        return [this, probe](std::int64_t calls) {
          const WayScope scope(widest_);
          return probe(calls).times;
        };
      };
      lanes.push_back({"multiply-adds", in_widest(probe_multiply_adds)});
      lanes.push_back({"copy", in_widest(probe_copy)});
    }
    const WayScope rivals_way(ways.front());  // that of another build, too
    std::vector<RivalLane> rivals = rivals_.lanes(r, cache_, options_.common.device);
    for (const RivalLane& rival : rivals) {
      if (rival.run) { lanes.push_back({rival.column, rival.run}); }
    }
    LaneTimes times = run_rounds(lanes, {.rounds = options_.common.rounds, .least_s = options_.least_s});
    const Measured m{.spec = r,
                     .cost = ours.cost(),
                     .peak_bytes = memory_report(device_).peak_bytes - before,
                     .rivals = std::move(rivals),
                     .times = std::move(times),
                     .ways = ways.size()};
    note_padding(r.shape, m.cost);
    for (std::size_t i = 0; i < ways.size(); ++i) {
      const WayScope scope(ways[i]);
      print(m, i, ours.algorithm());
    }
  }

  /// Where more than one tap in a hundred lies on padding.
  void note_padding(const KernelShape& shape, const Cost& cost) {
    if (cost.flops_on_voxels >= 0.99 * cost.flops) { return; }
    const std::string note = fmt::format("{} % at {}", percent(cost.flops_on_voxels / cost.flops), extents_of(shape));
    if (std::ranges::find(on_voxels_, note) == on_voxels_.end()) { on_voxels_.push_back(note); }
  }

  /// Shares of the roof by round: the time the ceilings of that round allow over what it took.
  template <class Seconds>
  [[nodiscard]] double share(const Measured& m, std::size_t way, const Seconds& seconds) const {
    const std::vector<double> taken = seconds(m.times[way]);
    std::vector<double> shares;
    for (std::size_t i = 0; i < taken.size(); ++i) {
      double flop_per_s = ceilings_.flop_per_s(m.spec.dtype);
      double bytes_per_s = ceilings_.copy_bytes_per_s;
      if (probed_) {
        flop_per_s = probe_flops_ / seconds(m.times[m.ways])[i] / (m.spec.dtype == DType::f64 ? 2 : 1);
        bytes_per_s = probe_bytes_ / seconds(m.times[m.ways + 1])[i];
      }
      shares.push_back(std::max(m.cost.flops / flop_per_s, m.cost.bytes / bytes_per_s) / taken[i]);
    }
    return spread_of(shares).median;
  }

  void print(const Measured& m, std::size_t way, const std::string& algorithm) {
    const Cost& cost = m.cost;
    const Spread wall = spread_of(walls(m.times[way]));
    const double processor_s = spread_of(processors(m.times[way])).median;
    const double roof = share(m, way, walls);
    const bool flops_bind = cost.flops / ceilings_.flop_per_s(m.spec.dtype) > cost.bytes / ceilings_.copy_bytes_per_s;
    Json record = record_of(m.spec);
    record["algorithm"] = algorithm;
    if (probed_) { record["isa"] = name(cpu_queue().isa); }
    record["ms"] = 1e3 * wall.median;
    record["spread"] = wall.relative();
    record["processor_ms_per_thread"] = 1e3 * processor_s;
    record["flops"] = cost.flops;
    record["flops_on_voxels"] = cost.flops_on_voxels;
    record["bytes"] = cost.bytes;
    record["gflop_per_s"] = cost.flops / wall.median / 1e9;
    record["gb_per_s"] = cost.bytes / wall.median / 1e9;
    record["roof_share"] = roof;
    record["bound"] = flops_bind ? "flops" : "bytes";
    record["peak_tensor_bytes"] = m.peak_bytes;
    record["samples_s"] = walls(m.times[way]);
    std::vector<std::string> cells = cells_of(m.spec);
    cells.push_back(algorithm);
    if (!options_.common.isa.empty()) { cells.emplace_back(name(cpu_queue().isa)); }
    cells.insert(cells.end(), {digits(1e3 * wall.median), percent(wall.relative())});
    if (probed_) { cells.push_back(digits(1e3 * processor_s)); }
    cells.insert(cells.end(), {cost.flops > 0 ? digits(cost.flops / wall.median / 1e9) : "-",
                               digits(cost.bytes / wall.median / 1e9), percent(roof)});
    if (probed_) {
      record["processor_roof_share"] = share(m, way, processors);
      cells.push_back(percent(share(m, way, processors)));
    }
    cells.emplace_back(flops_bind ? "flops" : "bytes");
    cells.push_back(fmt::format("{:.1f}", static_cast<double>(m.peak_bytes) / 0x1p20));
    add_rivals(m, way, record, cells);
    report_.row(record, cells);
  }

  void add_rivals(const Measured& m, std::size_t way, Json& record, std::vector<std::string>& cells) {
    std::size_t lane = m.ways + (probed_ ? 2 : 0);
    const std::size_t figures = probed_ ? 2 : 1;
    std::vector<std::string> theirs(figures * columns_.size(), "-");
    for (const RivalLane& rival : m.rivals) {
      const auto at = static_cast<std::size_t>(std::ranges::find(columns_, rival.column) - columns_.begin());
      if (!rival.run) {
        record["rival_errors"][rival.column] = rival.error;
        report_.missing(fmt::format("{}, {} {} {}: {}", rival.column, name(m.spec.op), name(m.spec.pass),
                                    text_of(m.spec.shape), rival.error));
        continue;
      }
      const Spread ratio = spread_of(ratios(walls(m.times[lane]), walls(m.times[way])));
      theirs.at(figures * at) = fmt::format("{:.2f}", ratio.median);
      if (probed_) {
        const double processor = spread_of(ratios(processors(m.times[lane]), processors(m.times[way]))).median;
        theirs.at(figures * at + 1) = fmt::format("{:.2f}", processor);
        record[rival.column + "_processor_ratio"] = processor;
      }
      record[rival.column + "_ratio"] = ratio.median;
      record[rival.column + "_ms"] = 1e3 * spread_of(walls(m.times[lane])).median;
      record[rival.column + "_samples_s"] = walls(m.times[lane]);
      record[rival.column + "_way"] = rival.way;
      ++lane;
    }
    cells.insert(cells.end(), theirs.begin(), theirs.end());
  }

  const KernelOptions& options_;
  std::vector<Way> ways_;
  Way widest_;  ///< the ceilings are its own
  WayScope scope_{widest_};
  Cache cache_;
  Device device_;
  bool probed_;  ///< the CPU's ceilings are measured in every round
  Report report_;
  Ceilings ceilings_;
  double probe_flops_ = probed_ ? probe_multiply_adds(1).amount : 0;
  double probe_bytes_ = probed_ ? probe_copy(1).amount : 0;
  KernelRivals rivals_;
  std::vector<std::string> columns_;
  std::vector<std::string> on_voxels_;  ///< what note_padding() noted
};

}  // namespace

void measure_kernels(const KernelOptions& o) {
  if (o.common.threads > 0) { cpu_queue().threads = o.common.threads; }
  Bench(o).run();
}

}  // namespace vox::bench
