// Times the convolutions of the network against the multiply-adds this machine can do: see README.md.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "benchmarks/measure/fma_peak.h"
#include "benchmarks/measure/stopwatch.h"
#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/tensor.h"
#include "kernels/base/parallel.h"
#include "kernels/conv3d.h"
#include "kernels/conv_transpose3d.h"
#include "model/summary.h"
#include "tools/ui/command_line.h"

namespace vox::bench {
namespace {

struct Layer {
  std::string label;  ///< "conv 16-32 64^3 k3", extents of its input; "up" for a transposed convolution
  Conv3dGeometry geometry;
};

/// The convolutions of the network at 128^3 and its deepest ones at 64^3, each once.
std::vector<Layer> layers_of(std::int64_t batch) {
  std::vector<Layer> layers;
  for (const std::int64_t size : {128, 64}) {
    for (const LayerCost& l : unet_summary(unet_preset("seed"), batch, size, DType::f32)) {
      if (!l.convolution) { continue; }
      const Conv3dGeometry& g = *l.convolution;
      const bool up = g.stride > 1;
      const VolumeShape& in = up ? g.y : g.x;
      if (size < 128 && in.d > 4) { continue; }
      const std::string label =
          fmt::format("{} {}-{} {}^3 k{}", up ? "up" : "conv", in.c, up ? g.x.c : g.y.c, in.d, g.kernel);
      const auto same = [&](const Layer& other) { return other.label == label; };
      if (std::ranges::none_of(layers, same)) { layers.push_back({label, g}); }
    }
  }
  return layers;
}

struct Options {
  int threads = hardware_threads();
  int rounds = 5;
  std::int64_t batch = 1;
  std::string dtype = "f32";
  std::string isa = name(best_isa());
  std::string only;
  std::string conv = "auto";  ///< or "all" in turns
};

Tensor volume(const VolumeShape& s, DType dtype) {
  return Tensor::zeros({s.n, s.c, s.d, s.h, s.w}, dtype, Device::cpu, Layout::blocked);
}

/// What is measured of one layer, with the memory it needs.
class Passes {
 public:
  Passes(const Layer& l, DType dtype, ConvChoice choice)
      : g_(l.geometry),
        algorithm_(algorithms(g_, dtype, choice)),
        x_(volume(g_.x, dtype)),
        y_(volume(g_.y, dtype)),
        weight_(Tensor::zeros({g_.y.c, g_.x.c, g_.kernel, g_.kernel, g_.kernel}, accumulator(dtype))),
        dweight_(Tensor::like(weight_)),
        scratch_({std::max({conv3d_forward_scratch(cpu_queue(), g_, algorithm_[0]),
                            conv_transpose3d_scratch(cpu_queue(), g_, algorithm_[1]),
                            conv3d_grad_weight_scratch(cpu_queue(), g_, algorithm_[2])})},
                 accumulator(dtype)) {}

  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(g_.y.count() * g_.x.c * g_.kernel * g_.kernel * g_.kernel);
  }

  [[nodiscard]] const char* algorithm(std::size_t pass) const { return name(algorithm_[pass]); }

  void correlate() {
    dispatch_type(x_.dtype(), [&]<class T>(TypeTag<T>) {
      CpuQueue& q = cpu_queue();
      conv3d_forward(q, Conv3dArgs<T>{.geometry = g_,
                                      .algorithm = algorithm_[0],
                                      .x = x_.values<T>(),
                                      .weight = weight_.values<Acc<T>>(),
                                      .bias = {},
                                      .y = y_.mutable_values<T>(),
                                      .scratch = scratch_.mutable_values<Acc<T>>()});
    });
  }
  void spread() {
    dispatch_type(x_.dtype(), [&]<class T>(TypeTag<T>) {
      CpuQueue& q = cpu_queue();
      conv_transpose3d_forward(q, ConvTranspose3dArgs<T>{.geometry = g_,
                                                         .algorithm = algorithm_[1],
                                                         .x = y_.values<T>(),
                                                         .weight = weight_.values<Acc<T>>(),
                                                         .bias = {},
                                                         .y = x_.mutable_values<T>(),
                                                         .scratch = scratch_.mutable_values<Acc<T>>()});
    });
  }
  void grad_weight() {
    dispatch_type(x_.dtype(), [&]<class T>(TypeTag<T>) {
      CpuQueue& q = cpu_queue();
      conv3d_grad_weight(q, Conv3dGradWeightArgs<T>{.geometry = g_,
                                                    .algorithm = algorithm_[2],
                                                    .x = x_.values<T>(),
                                                    .dy = y_.values<T>(),
                                                    .dweight = dweight_.mutable_values<Acc<T>>(),
                                                    .scratch = scratch_.mutable_values<Acc<T>>()});
    });
  }

 private:
  static std::array<Conv3dAlgorithm, 3> algorithms(const Conv3dGeometry& g, DType dtype, ConvChoice choice) {
    CpuQueue q = cpu_queue();
    q.conv = choice;
    std::array<Conv3dAlgorithm, 3> a{};
    dispatch_type(dtype, [&]<class T>(TypeTag<T>) {
      for (std::size_t i = 0; i < a.size(); ++i) { a[i] = choose<T>(q, static_cast<Conv3dPass>(i), g); }
    });
    return a;
  }

  Conv3dGeometry g_;
  std::array<Conv3dAlgorithm, 3> algorithm_;  ///< of correlate, spread, grad_weight
  Tensor x_;
  Tensor y_;
  Tensor weight_;
  Tensor dweight_;
  Tensor scratch_;
};

std::vector<ConvChoice> choices(const std::string& word) {
  if (word == "all") { return {ConvChoice::direct, ConvChoice::winograd, ConvChoice::amx}; }
  for (const ConvChoice c : {ConvChoice::direct, ConvChoice::winograd, ConvChoice::amx}) {
    if (word == name(c)) { return {c}; }
  }
  return {ConvChoice::automatic};
}

void bench_layer(const Layer& l, const Options& o) {
  std::vector<Passes> rivals;
  for (const ConvChoice c : choices(o.conv)) { rivals.emplace_back(l, dtype_named(o.dtype), c); }
  const bool up = l.geometry.stride > 1;
  Stopwatch peak;
  std::vector<std::array<Stopwatch, 3>> passed(rivals.size());
  double fmas = 0;
  for (int round = 0; round < o.rounds; ++round) {  // in turns: what disturbs one disturbs all
    peak.measure([&] { fmas = run_fmas(cpu_queue()); });
    for (std::size_t r = 0; r < rivals.size(); ++r) {
      passed[r][0].measure([&] { rivals[r].correlate(); });
      passed[r][1].measure([&] { rivals[r].spread(); });
      passed[r][2].measure([&] { rivals[r].grad_weight(); });
    }
  }
  constexpr std::array<const char*, 3> kNames = {"forward", "grad input", "grad weight"};
  for (std::size_t row = 0; row < 3 * rivals.size(); ++row) {
    const std::size_t i = row / rivals.size();
    const Passes& passes = rivals[row % rivals.size()];
    const std::size_t pass = up && i < 2 ? 1 - i : i;  // the transposed convolution's forward pass is the adjoint
    const Stopwatch& watch = passed[row % rivals.size()][pass];
    const double processor_s = watch.processor_s() / o.threads;
    const double of_peak = passes.flops() / watch.processor_s() / (fmas / peak.processor_s());
    const double of_wall = passes.flops() / watch.wall_s() / (fmas / peak.wall_s());
    fmt::print("{:<22}\t{:<11}\t{:<8}\t{:9.3f}\t{:9.3f}\t{:8.1f}\t{:5.1f}\t{:5.1f}\n", l.label, kNames[i],
               passes.algorithm(pass), watch.wall_s() * 1e3, processor_s * 1e3, passes.flops() / processor_s / 1e9,
               of_peak * 100, of_wall * 100);
  }
}

void bench(const Options& o) {
  cpu_queue().threads = o.threads;
  for (const Isa isa : runnable_isas()) {
    if (o.isa == name(isa)) { cpu_queue().isa = isa; }
  }
  const auto peak_gflops = [&](int threads) {
    Stopwatch watch;
    double fmas = 0;
    CpuQueue q = cpu_queue();
    q.threads = threads;
    for (int i = 0; i < 20; ++i) {
      watch.measure([&] { fmas = run_fmas(q); });
    }
    return fmas / watch.processor_s() * threads / 1e9;
  };
  fmt::print("# {}, {}, {} threads, batch {}: FMA peak {:.0f} GFLOP/s on one thread, {:.0f} on {}\n", o.isa, o.dtype,
             o.threads, o.batch, peak_gflops(1), peak_gflops(o.threads), o.threads);
  fmt::print("{:<22}\t{:<11}\t{:<8}\t{:>9}\t{:>9}\t{:>8}\t{:>5}\t{:>5}\n", "# layer", "pass", "by", "wall ms", "cpu ms",
             "GFLOP/s", "cpu %", "wall %");
  for (const Layer& l : layers_of(o.batch)) {
    if (l.label.find(o.only) != std::string::npos) { bench_layer(l, o); }
  }
}

}  // namespace
}  // namespace vox::bench

int main(int argc, char** argv) {
  vox::CommandLine app("Convolutions against the measured FMA peak", "vox_conv_bench");
  vox::bench::Options o;
  app.option("--threads", o.threads).positive();
  app.option("--rounds", o.rounds).positive();
  app.option("--batch", o.batch).positive();
  app.option("--dtype", o.dtype).one_of({"f32", "f64", "bf16"});
  app.option("--isa", o.isa).one_of({"baseline", "avx2", "avx512", "amx"});
  app.option("--only", o.only, "layers whose label contains this");
  app.option("--conv", o.conv, "auto, direct, winograd or amx (where they can run), or all in turns")
      .one_of({"auto", "direct", "winograd", "amx", "all"});
  if (const std::optional<int> code = app.read(argc, argv)) { return *code; }
  const vox::SleepyWorkers sleepy;
  vox::bench::bench(o);
  return 0;
}
