// Times the convolutions of the network against the multiply-adds this machine can do: see README.md.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <string>
#include <vector>

#include "benchmarks/fma_peak.h"
#include "benchmarks/stopwatch.h"
#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/tensor.h"
#include "kernels/conv3d.h"
#include "kernels/conv_transpose3d.h"

namespace vox::bench {
namespace {

struct Layer {
  const char* kind;  ///< "conv" or "up", the transposed convolution of kernel 2 and stride 2
  std::int64_t in_channels;
  std::int64_t out_channels;
  std::int64_t side;  ///< voxels of the input along each axis
  std::int64_t kernel = 3;
};

/// The convolutions of the network at 128^3, and its deepest ones at 64^3.
constexpr std::array<Layer, 24> kLayers{{
    {"conv", 16, 16, 64},   {"conv", 32, 16, 64},   {"conv", 4, 16, 128},   {"conv", 16, 16, 128},
    {"conv", 32, 16, 128},  {"conv", 16, 32, 64},   {"conv", 32, 32, 64},   {"conv", 64, 32, 64},
    {"conv", 32, 64, 32},   {"conv", 64, 64, 32},   {"conv", 128, 64, 32},  {"conv", 64, 128, 16},
    {"conv", 128, 128, 16}, {"conv", 256, 128, 16}, {"conv", 384, 128, 16}, {"conv", 128, 256, 8},
    {"conv", 256, 256, 8},  {"conv", 128, 256, 4},  {"conv", 256, 256, 4},  {"conv", 16, 4, 128, 1},
    {"up", 256, 128, 8, 2}, {"up", 128, 64, 16, 2}, {"up", 64, 32, 32, 2},  {"up", 32, 16, 64, 2},
}};

struct Options {
  int threads = hardware_threads();
  int rounds = 5;
  std::int64_t batch = 1;
  std::string dtype = "f32";
  std::string isa = name(best_isa());
  std::string only;
};

std::string label(const Layer& l) {
  return fmt::format("{} {}-{} {}^3 k{}", l.kind, l.in_channels, l.out_channels, l.side, l.kernel);
}

/// The conv3d a layer is, or is the adjoint of.
Conv3dGeometry geometry(const Layer& l, std::int64_t batch) {
  const VolumeShape x{.n = batch, .c = l.in_channels, .d = l.side, .h = l.side, .w = l.side};
  return l.kind[0] == 'u' ? conv_transpose3d_geometry(x, l.out_channels, l.kernel, 2, 0, 0)
                          : conv3d_geometry(x, l.out_channels, l.kernel, 1, l.kernel / 2);
}

Tensor volume(const VolumeShape& s, DType dtype) {
  return Tensor::zeros({s.n, s.c, s.d, s.h, s.w}, dtype, Device::cpu, Layout::blocked);
}

/// What is measured of one layer, with the memory it needs.
class Passes {
 public:
  Passes(const Layer& l, std::int64_t batch, DType dtype)
      : g_(geometry(l, batch)),
        algorithm_(choose<float>(cpu_queue(), Conv3dPass::correlate, g_)),
        x_(volume(g_.x, dtype)),
        y_(volume(g_.y, dtype)),
        weight_(Tensor::zeros({g_.y.c, g_.x.c, l.kernel, l.kernel, l.kernel}, accumulator(dtype))),
        dweight_(Tensor::like(weight_)),
        scratch_({std::max({conv3d_forward_scratch(cpu_queue(), g_, algorithm_),
                            conv_transpose3d_scratch(cpu_queue(), g_, algorithm_),
                            conv3d_grad_weight_scratch(cpu_queue(), g_, algorithm_)})},
                 accumulator(dtype)) {}

  [[nodiscard]] double flops() const {
    return 2.0 * static_cast<double>(g_.y.count() * g_.x.c * g_.kernel * g_.kernel * g_.kernel);
  }

  void correlate() {
    dispatch_type(x_.dtype(), [&]<class T>(TypeTag<T>) {
      CpuQueue& q = cpu_queue();
      conv3d_forward(q, Conv3dArgs<T>{.geometry = g_,
                                      .algorithm = algorithm_,
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
                                                         .algorithm = algorithm_,
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
                                                    .algorithm = algorithm_,
                                                    .x = x_.values<T>(),
                                                    .dy = y_.values<T>(),
                                                    .dweight = dweight_.mutable_values<Acc<T>>(),
                                                    .scratch = scratch_.mutable_values<Acc<T>>()});
    });
  }

 private:
  Conv3dGeometry g_;
  Conv3dAlgorithm algorithm_;
  Tensor x_;
  Tensor y_;
  Tensor weight_;
  Tensor dweight_;
  Tensor scratch_;
};

void bench_layer(const Layer& l, const Options& o) {
  Passes passes(l, o.batch, dtype_named(o.dtype));
  const bool up = l.kind[0] == 'u';
  Stopwatch peak;
  std::array<Stopwatch, 3> passed;
  double fmas = 0;
  for (int round = 0; round < o.rounds; ++round) {  // in turns: what disturbs one disturbs all
    peak.measure([&] { fmas = run_fmas(cpu_queue()); });
    passed[up ? 1 : 0].measure([&] { passes.correlate(); });
    passed[up ? 0 : 1].measure([&] { passes.spread(); });
    passed[2].measure([&] { passes.grad_weight(); });
  }
  constexpr std::array<const char*, 3> kNames = {"forward", "grad input", "grad weight"};
  for (std::size_t i = 0; i < passed.size(); ++i) {
    const double processor_s = passed[i].processor_s() / o.threads;
    const double of_peak = passes.flops() / passed[i].processor_s() / (fmas / peak.processor_s());
    const double of_wall = passes.flops() / passed[i].wall_s() / (fmas / peak.wall_s());
    fmt::print("{:<22}\t{:<11}\t{:9.3f}\t{:9.3f}\t{:8.1f}\t{:5.1f}\t{:5.1f}\n", label(l), kNames[i],
               passed[i].wall_s() * 1e3, processor_s * 1e3, passes.flops() / processor_s / 1e9, of_peak * 100,
               of_wall * 100);
  }
}

void bench(const Options& o) {
  cpu_queue().threads = o.threads;
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
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
  fmt::print("{:<22}\t{:<11}\t{:>9}\t{:>9}\t{:>8}\t{:>5}\t{:>5}\n", "# layer", "pass", "wall ms", "cpu ms", "GFLOP/s",
             "cpu %", "wall %");
  for (const Layer& l : kLayers) {
    if (label(l).find(o.only) != std::string::npos) { bench_layer(l, o); }
  }
}

}  // namespace
}  // namespace vox::bench

int main(int argc, char** argv) {
  CLI::App app("Convolutions against the measured FMA peak");
  vox::bench::Options o;
  app.add_option("--threads", o.threads)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--rounds", o.rounds)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--batch", o.batch)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--dtype", o.dtype)->capture_default_str()->check(CLI::IsMember({"f32", "f64", "bf16"}));
  app.add_option("--isa", o.isa)->capture_default_str()->check(CLI::IsMember({"baseline", "avx2", "avx512"}));
  app.add_option("--only", o.only, "layers whose label contains this");
  CLI11_PARSE(app, argc, argv);
  vox::bench::bench(o);
  return 0;
}
