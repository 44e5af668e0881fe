#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "benchmarks/measure/machine.h"
#include "benchmarks/measure/spread.h"
#include "benchmarks/rivals/contest.h"
#include "benchmarks/verbs/bench.h"
#include "benchmarks/workloads/profile.h"
#include "engine/context.h"
#include "kernels/base/check.h"
#include "kernels/cuda/runtime.h"

namespace vox::bench {
namespace {

struct Options {
  Common common;
  std::vector<std::int64_t> sizes{64, 128};
  std::vector<std::int64_t> batches;
  std::vector<std::string> dtypes{"f32"};
  std::string preset = "seed";
  std::vector<std::int64_t> widths;
  std::string fusion = "on";
  std::string graph = "auto";
  bool profile = false;
  bool nsight = false;
  bool recompute = false;
};

/// One line of --size, --batch and --dtype.
struct Task {
  std::string work;
  std::int64_t size;
  std::int64_t batch;
  std::string dtype;

  [[nodiscard]] std::string label() const { return fmt::format("{} {}^3", work, size); }
  [[nodiscard]] Json record(const std::string& program) const {
    return {{"work", work}, {"size", size}, {"batch", batch}, {"dtype", dtype}, {"program", program}};
  }
  [[nodiscard]] std::vector<std::string> cells(const std::string& program) const {
    return {label(), std::to_string(batch), dtype, program};
  }
};

constexpr const char* kPhases[] = {"forward", "loss", "backward", "update", "graph", "data"};

std::vector<Column> columns() {
  std::vector<Column> all{{.heading = "work", .width = 13, .text = true},
                          {.heading = "n"},
                          {.heading = "type", .width = 4, .text = true},
                          {.heading = "program", .width = 27, .text = true},
                          {.heading = "ms", .width = 7},
                          {.heading = "spread %", .width = 8},
                          {.heading = "cpu ms", .width = 7}};
  for (const char* const phase : kPhases) { all.push_back({.heading = phase, .width = 7}); }
  for (const char* const more : {"resident MiB", "tensor MiB"}) { all.push_back({.heading = more}); }
  all.push_back({.heading = "ratio", .width = 5});
  all.push_back({.heading = "quartiles", .width = 11});
  all.push_back({.heading = "cpu ratio"});
  return all;
}

std::string mebibytes(double bytes) { return bytes > 0 ? fmt::format("{:.0f}", bytes / 0x1p20) : "-"; }

/// A line of the table; turns: with ours, none for our own line.
void print_entrant(Report& report, const Task& task, const Entrant& e, const Turns& turns) {
  const Spread wall = spread_of(e.wall_s());
  const double processor_s = spread_of(e.processor_s()).median / cpu_queue().threads;
  Json record = task.record(e.name());
  record["description"] = e.description();
  record["ms"] = 1e3 * wall.median;
  record["spread"] = wall.relative();
  record["processor_ms_per_thread"] = 1e3 * processor_s;
  std::vector<std::string> cells = task.cells(e.name());
  for (const std::string& cell : {digits(1e3 * wall.median), percent(wall.relative()), digits(1e3 * processor_s)}) {
    cells.push_back(cell);
  }
  for (const char* const phase : kPhases) {
    const auto found = e.phases_s().find(phase);
    cells.push_back(found == e.phases_s().end() ? "-" : digits(1e3 * spread_of(found->second).median));
    if (found != e.phases_s().end()) { record[std::string(phase) + "_ms"] = 1e3 * spread_of(found->second).median; }
  }
  cells.push_back(mebibytes(e.peak_resident_bytes()));
  cells.push_back(mebibytes(e.peak_tensor_bytes()));
  record["peak_resident_bytes"] = e.peak_resident_bytes();
  record["peak_tensor_bytes"] = e.peak_tensor_bytes();
  record["samples_s"] = e.wall_s();
  if (std::isfinite(e.loss())) { record["loss"] = e.loss(); }
  if (!turns.wall.empty()) {
    const Spread ratio = spread_of(turns.wall);
    const double processor = spread_of(turns.processor).median;
    record["ratio"] = ratio.median;
    record["ratio_lower_quartile"] = ratio.lower_quartile;
    record["ratio_upper_quartile"] = ratio.upper_quartile;
    record["ratios"] = turns.wall;
    record["processor_ratio"] = processor;
    cells.push_back(fmt::format("{:.2f}", ratio.median));
    cells.push_back(fmt::format("{:.2f}..{:.2f}", ratio.lower_quartile, ratio.upper_quartile));
    cells.push_back(fmt::format("{:.2f}", processor));
  }
  report.row(record, cells);
}

/// The fastest way of one rival.
struct Best {
  std::string name;
  double wall_s = std::numeric_limits<double>::infinity();
  double ratio = 0;
  double resident_bytes = 0;
};

void measure_ours_alone(Entrant& ours, int rounds) {
  for (int i = 0; i < rounds; ++i) { ours.take_turn(); }
}

/// All ways of one word of --against, each in a process of its own.
std::optional<Best> run_rival(Report& report, const Options& o, const Task& task, const Json& question, Entrant& ours,
                              const std::vector<Rival>& ways) {
  std::optional<Best> best;
  for (const Rival& way : ways) {
    try {
      Entrant theirs(way, question);
      theirs.warm_up();
      const Turns turns = take_turns(ours, theirs, o.common.rounds);
      print_entrant(report, task, theirs, turns);
      const double wall_s = spread_of(theirs.wall_s()).median;
      if (!best || wall_s < best->wall_s) {
        best = Best{.name = way.name(),
                    .wall_s = wall_s,
                    .ratio = spread_of(turns.wall).median,
                    .resident_bytes = theirs.peak_resident_bytes()};
      }
    } catch (const Error& e) { report.left_out(task.record(way.name()), task.cells(way.name()), e.what()); }
  }
  if (!best) { report.incomplete(); }
  return best;
}

LabOptions lab_options(const Options& o, const Task& task) {
  return {.device = o.common.device,
          .dtype = task.dtype,
          .size = task.size,
          .batch = task.batch,
          .preset = o.preset,
          .widths = o.widths,
          .fusion = o.fusion,
          .graph = o.profile || o.nsight ? "off" : o.graph,  // profiles are of kernels
          .recompute = o.recompute};
}

/// Throws MemoryError where the step is known not to fit, before a process sets out to find that.
void want_fit(const Options& o, const Task& task) {
  want_fit(lab_options(o, task), task.work == "step",
           fmt::format("{}, batch {}, {}", task.label(), task.batch, task.dtype));
}

void run_task(Report& report, const Options& o, const Task& task, const std::vector<std::vector<Rival>>& rivals) {
  const Json question{{"work", task.work},
                      {"size", task.size},
                      {"batch", task.batch},
                      {"dtype", task.dtype},
                      {"preset", o.preset},
                      {"widths", config_of(o.preset, o.widths).widths},
                      {"fusion", o.fusion},
                      {"graph", o.graph},
                      {"device", o.common.device},
                      {"threads", cpu_queue().threads},
                      {"conv", name(cpu_queue().conv)},
                      {"isa", name(cpu_queue().isa)},
                      {"recompute", o.recompute}};
  std::vector<Best> bests;
  try {
    want_fit(o, task);
    Entrant ours({.family = "voxgrad", .variant = "", .command = o.common.programs.serve, .environment = {}}, question);
    ours.warm_up();
    for (const std::vector<Rival>& ways : rivals) {
      if (const auto best = run_rival(report, o, task, question, ours, ways)) { bests.push_back(*best); }
    }
    if (ours.wall_s().empty()) { measure_ours_alone(ours, o.common.rounds); }
    print_entrant(report, task, ours, {});
    for (const Best& b : bests) {
      const double resident_share = ours.peak_resident_bytes() / b.resident_bytes;
      Json record = task.record(b.name);
      record["ratio"] = b.ratio;
      record["resident_share"] = resident_share;
      report.add("best", record);
      report.remark(fmt::format("{} n={} {}: {:.2f} times as fast as {}, with {:.2f} of its resident memory",
                                task.label(), task.batch, task.dtype, b.ratio, b.name, resident_share));
    }
  } catch (const Error& e) { report.failed(task.record("voxgrad"), task.cells("voxgrad"), e.what()); }
}

/// One step or pass that a profiler sees which was told to wait, after two that it does not.
void run_for_profiler(Report& report, const Options& o, const Task& task) {
  try {
    want_fit(o, task);
    Lab lab(lab_options(o, task));
    const auto once = [&] { return task.work == "step" ? lab.train() : lab.infer(); };
    for (int i = 0; i < 2; ++i) { static_cast<void>(once()); }
    if (lab.device() == Device::cuda) { cuda::profile(true); }
    const Times taken = total_of(once());
    if (lab.device() == Device::cuda) { cuda::profile(false); }
    report.head({{"profiled", fmt::format("{}, batch {}, {}: {} ms", task.label(), task.batch, task.dtype,
                                          digits(1e3 * taken.wall_s))}});
  } catch (const Error& e) { report.failed(task.record("voxgrad"), task.cells("voxgrad"), e.what()); }
}

void profile_task(Report& report, const Options& o, const Task& task) {
  try {
    want_fit(o, task);
    Lab lab(lab_options(o, task));
    report.head({{"profile", fmt::format("{}, batch {}, {}", task.label(), task.batch, task.dtype)}});
    print_profile(report, lab, task.work == "step" ? Profiler::Work::step : Profiler::Work::predict, o.common.rounds);
  } catch (const Error& e) { report.failed(task.record("voxgrad"), task.cells("voxgrad"), e.what()); }
}

void run(const std::string& work, const Options& o) {
  VOX_CHECK(!o.profile || !o.nsight, "--profile and --nsight: one of the two");
  const Deadline deadline(o.common.seconds);
  apply(o.common);
  Report report({.json = o.common.json, .csv = o.common.csv, .page = o.common.page});
  const Device device = select_device(o.common.device);
  report.head(machine_facts(device));
  report.head({{"rounds", o.common.rounds},
               {"spread", "distance between the quartiles over the median, of the rounds"},
               {"cpu", "processor time of all threads over their number: does not count what other programs took"},
               {"ratio", "theirs / ours, median of the rounds' ratios, in turns; above 1 voxgrad is faster"}});
  std::vector<std::vector<Rival>> rivals;
  for (const std::string& word : o.common.against) {
    try {
      const std::vector<Rival> ways = rivals_named(word, o.common.torch_variants, o.common.programs);
      report.head({{word, greeting(ways.front())}});
      rivals.push_back(ways);
    } catch (const Error& e) { report.missing(e.what()); }
  }
  if (!o.profile && !o.nsight) { report.table(columns()); }
  std::size_t late = 0;
  for (std::size_t i = 0; i < o.sizes.size(); ++i) {
    std::vector<std::int64_t> batches = o.batches;
    if (batches.empty()) { batches = {o.sizes[i] <= 64 && work == "step" ? 2 : 1}; }
    for (const std::int64_t batch : batches) {
      for (const std::string& dtype : o.dtypes) {
        const Task task{.work = work, .size = o.sizes[i], .batch = batch, .dtype = dtype};
        if (deadline.passed()) {
          ++late;
        } else if (o.nsight) {
          run_for_profiler(report, o, task);
        } else {
          o.profile ? profile_task(report, o, task) : run_task(report, o, task, rivals);
        }
      }
    }
  }
  report.not_begun(late);
  report.finish();
}

void add_one(Command bench, const std::string& work, const char* says) {
  const Command verb = bench.command(work, says);
  const auto o = std::make_shared<Options>();
  verb.option("--size", o->sizes, "voxels along each axis of the images, multiples of 16 (2^(levels - 1))")
      .delimiter(',')
      .positive();
  verb.option("--batch", o->batches, "images at once; without it 2 for a step at 64^3 or less, else 1")
      .delimiter(',')
      .positive();
  verb.option("--dtype", o->dtypes, "of activations: f32, f64, bf16").delimiter(',').one_of({"f32", "f64", "bf16"});
  verb.option("--preset", o->preset, "network: seed, tutorial, nnunet or best");
  verb.option("--widths", o->widths, "channels per level, shallow to deep")
      .delimiter(',')
      .default_text("the preset's")
      .positive();
  verb.option("--fusion", o->fusion, "off: plain operators, ours and another build's").one_of({"on", "off"});
  if (work == "step") {
    verb.option("--graph", o->graph,
                "a step as one launch, timed as `graph`: auto (on a GPU), on (on simt, too) or off")
        .one_of({"auto", "on", "off"});
  }
  verb.flag("--profile", o->profile, "time, share and roofline of every operator, layer by layer, instead");
  verb.flag("--nsight", o->nsight,
            "instead: one step that a waiting profiler sees, as ncu --profile-from-start off, after two it does not");
  verb.flag("--recompute", o->recompute, "on a GPU: make again what backward needs, as where memory is short");
  add_common_options(verb, o->common,
                     "torch, onednn (predict alone), or the path of another build of voxgrad; in turns with ours");
  verb.run([work, o] { run(work, *o); });
}

}  // namespace

void add_step_verb(Command bench) {
  add_one(bench, "step", "Whole training steps of a network: time by phase, memory");
  add_one(bench, "predict", "Inference of a network, its softmax included");
}

}  // namespace vox::bench
