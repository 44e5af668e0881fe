#include "benchmarks/workloads/profile.h"

#include <fmt/core.h>

#include <algorithm>

#include "benchmarks/measure/spread.h"
#include "engine/context.h"

namespace vox::bench {
namespace {

std::string text_of(const Shape& s) {
  if (s.rank() < 5) { return s.str(); }
  const bool cube = s[2] == s[3] && s[3] == s[4];
  return cube ? fmt::format("{}@{}^3", s[1], s[2]) : s.str();
}

/// Everything a rule does at once: gradients of inputs, and of weights where they have a pass of their own.
Cost backward_cost(Op op, const Tensor& y, std::span<const Tensor> inputs) {
  Cost all;
  if (has_pass(op, Pass::grad_weight)) {
    const Cost w = cost_of(op, Pass::grad_weight, inputs, y);
    if (!inputs[0].wants_grad()) { return w; }
    all = w;
  }
  const Cost x = cost_of(op, Pass::grad_input, inputs, y);
  return {.flops = all.flops + x.flops, .bytes = all.bytes + x.bytes};
}

}  // namespace

Profiler::Profiler(Lab& lab) : lab_(lab), before_(set_tape_listener(this)) {
  lab.on_start([this] {
    running_ = true;
    last_ = now();
  });
  for (const NamedTensor& p : lab.net().parameters()) {
    layers_[&p.tensor.body()] = p.name.substr(0, p.name.find_last_of('.'));
  }
}

Profiler::~Profiler() {
  set_tape_listener(before_);
  lab_.on_start({});
}

void Profiler::run(Work work) {
  work_ = work;
  next_ = 0;
  running_ = false;
  backward_.clear();
  const std::vector<Phase> phases = work == Work::step ? lab_.train() : lab_.infer();
  if (work == Work::step) {
    wait_for(lab_.device());
    book({.layer = "", .op = "adam", .shape = "all parameters", .pass = "update", .cost = {}, .times = {}});
  }
  steps_.push_back(total_of(phases));
}

void Profiler::book(ProfileRow row) {
  wait_for(lab_.device());
  const Times t = now();
  if (next_ == rows_.size()) { rows_.push_back(std::move(row)); }
  rows_[next_].times.push_back(t - last_);
  ++next_;
  last_ = t;
}

std::string Profiler::layer_of(std::span<const Tensor> inputs) const {
  for (const Tensor& t : inputs) {
    if (!t.defined()) { continue; }
    const auto found = layers_.find(&t.body());
    if (found != layers_.end()) { return found->second; }
  }
  return {};
}

void Profiler::ran_forward(Op op, const Tensor& y, std::span<const Tensor> inputs, std::uint64_t number) {
  if (!running_) { return; }  // the step is being planned, or its batch made
  const auto mode = work_ == Work::step ? BatchNormMode::training : BatchNormMode::inference;
  ProfileRow row{.layer = layer_of(inputs),
                 .op = std::string(name(op)),
                 .shape = text_of(inputs[0].shape()) + " -> " + text_of(y.shape()),
                 .pass = "forward",
                 .cost = cost_of(op, Pass::forward, inputs, y, mode),
                 .times = {}};
  if (work_ == Work::step) {
    ProfileRow& back = backward_[number] = row;
    back.pass = "backward";
    back.cost = backward_cost(op, y, inputs);
  }
  book(std::move(row));
}

void Profiler::ran_backward(std::uint64_t number) {
  if (running_) { book(backward_.at(number)); }  // the step is planned, too
}

void print_profile(Report& report, Lab& lab, Profiler::Work work, int rounds) {
  const Ceilings ceilings = measure_ceilings(lab.device());
  report.head({{"ceilings", fmt::format("{} GFLOP/s multiply-adds, {} GB/s copy, by processor time",
                                        digits(ceilings.flop_per_s(lab.net().dtype()) / 1e9),
                                        digits(ceilings.copy_bytes_per_s / 1e9))}});
  Profiler profiler(lab);
  profiler.run(work);  // warms up; its times are the first of each row and are dropped below
  for (int i = 0; i < rounds; ++i) { profiler.run(work); }
  report.table({{.heading = "layer", .width = 18, .text = true},
                {.heading = "operator", .width = 22, .text = true},
                {.heading = "pass", .width = 8, .text = true},
                {.heading = "shape", .width = 22, .text = true},
                {.heading = "ms", .width = 7},
                {.heading = "cpu ms", .width = 7},
                {.heading = "share %", .width = 7},
                {.heading = "roof ms", .width = 7},
                {.heading = "cpu roof %", .width = 7}});
  const auto typical = [](const std::vector<Times>& all, auto member) {
    std::vector<double> values;
    for (std::size_t i = 1; i < all.size(); ++i) { values.push_back(all[i].*member); }
    return spread_of(values).median;
  };
  const double threads = cpu_queue().threads;
  const double step_s = typical(profiler.steps(), &Times::wall_s);
  const double step_processor_s = typical(profiler.steps(), &Times::processor_s) / threads;
  double roof_sum_s = 0;
  for (const ProfileRow& r : profiler.rows()) {
    const double wall_s = typical(r.times, &Times::wall_s);
    const double processor_s = typical(r.times, &Times::processor_s) / threads;
    double parameter_bytes = 7 * 4.0 * static_cast<double>(lab.net().parameter_count());
    if (r.pass != "update") { parameter_bytes = r.cost.bytes; }
    const double roof_s =
        std::max(r.cost.flops / ceilings.flop_per_s(lab.net().dtype()), parameter_bytes / ceilings.copy_bytes_per_s);
    roof_sum_s += roof_s;
    report.row({{"layer", r.layer},
                {"op", r.op},
                {"pass", r.pass},
                {"shape", r.shape},
                {"ms", 1e3 * wall_s},
                {"processor_ms_per_thread", 1e3 * processor_s},
                {"share", wall_s / step_s},
                {"flops", r.cost.flops},
                {"bytes", parameter_bytes},
                {"roof_ms", 1e3 * roof_s}},
               {r.layer, r.op, r.pass, r.shape, digits(1e3 * wall_s), digits(1e3 * processor_s),
                percent(wall_s / step_s), digits(1e3 * roof_s), percent(roof_s / processor_s)});
  }
  report.remark(
      fmt::format("whole: {} ms, {} ms of processor time per thread; the operators' roofline times together: "
                  "{} ms; whole / roofline {:.2f}, by processor time {:.2f}",
                  digits(1e3 * step_s), digits(1e3 * step_processor_s), digits(1e3 * roof_sum_s), step_s / roof_sum_s,
                  step_processor_s / roof_sum_s));
  report.add("whole", {{"ms", 1e3 * step_s},
                       {"processor_ms_per_thread", 1e3 * step_processor_s},
                       {"roof_ms", 1e3 * roof_sum_s},
                       {"over_roof", step_s / roof_sum_s},
                       {"processor_over_roof", step_processor_s / roof_sum_s}});
}

}  // namespace vox::bench
