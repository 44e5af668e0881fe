#include "model/scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/json.h"
#include "kernels/base/check.h"
#include "model/summary.h"
#include "model/unet3d.h"

namespace vox {
namespace {

/// Fabric, and bytes and messages so far.
class Calls {
 public:
  Calls(const Fabric& fabric, std::int64_t ranks) : fabric_(fabric), ranks_(static_cast<double>(ranks)) {}

  /// All-gather of a few bytes of each rank, in rounds of doubling.
  double small_gather(double bytes_each) { return call(std::ceil(std::log2(ranks_)), (ranks_ - 1) * bytes_each); }
  /// All-to-all, or an all-gather in a ring, of `bytes` on each rank, of which it keeps its own part.
  double large(double mine) { return call(ranks_ - 1, mine * (ranks_ - 1) / ranks_); }

  std::int64_t count = 0;
  double bytes = 0;

 private:
  double call(double messages, double sent) {
    if (ranks_ == 1) { return 0; }
    ++count;
    bytes += sent;
    return messages * fabric_.latency_s + sent / fabric_.bytes_per_s;
  }

  const Fabric& fabric_;
  double ranks_;
};

/// The most nodes of the tree of cases that a rank has.
std::int64_t most_nodes(std::int64_t batch, std::int64_t ranks) {
  std::int64_t most = 0;
  for (std::int64_t r = 0; r < ranks; ++r) {
    const BatchShare share = share_of(batch, static_cast<int>(r), static_cast<int>(ranks));
    most = std::max(most, std::ssize(tree_nodes({share.first, share.count}, batch)));
  }
  return most;
}

constexpr double kGradient = 4;  // bytes
constexpr double kSum = 8;       // of norms and loss: in f64

}  // namespace

std::span<const Fabric> known_fabrics() {
  static const std::array<Fabric, 3> fabrics{
      {{"ethernet25", 30e-6, 25e9 / 8, 0,
        "25 Gbit/s, the line's rate; 30 us a message through the kernel's TCP, assumed"},
       {"ethernet100", 30e-6, 100e9 / 8, 0,
        "100 Gbit/s, the line's rate; 30 us a message through the kernel's TCP, assumed"},
       {"nvlink4", 7e-6, 0.8 * 450e9, 8,
        "8 GPUs H100 SXM: 450 GB/s in each direction by NVIDIA's data sheet, 80 % of it and 7 us a message assumed"}}};
  return fabrics;
}

Fabric fabric_named(std::string_view name) {
  std::vector<std::string> known;
  for (const Fabric& f : known_fabrics()) {
    if (f.name == name) { return f; }
    known.push_back(f.name);
  }
  VOX_FAIL("fabric '{}', wants one of: {}", name, fmt::join(known, ", "));
}

Fabric measured_fabric(std::string_view json, const std::string& file) {
  Fabric f{.name = file, .source = "measured by doctor"};
  try {
    const Json doctor = Json::parse(json);
    const Json& report = doctor.at("ranks");
    const auto rounds = std::ceil(std::log2(static_cast<double>(report.at("ranks").size())));
    double least = 0;
    double most = 0;
    const Json& measured = report.at("collectives");  // of the host, and of GPUs where all ranks have one
    for (const Json& one : measured.empty() ? Json::array() : measured.at(measured.size() - 1).at("rows")) {
      const std::string call = one.at("call").get<std::string>();
      const double bytes = one.value("bytes", 0.0);
      if (call == "all-gather" && (least == 0 || bytes < least)) {
        least = bytes;
        f.latency_s = one.at("seconds").get<double>() / rounds;
      }
      if (call == "all-to-all" && bytes > most) {
        most = bytes;
        f.bytes_per_s = one.at("bytes_per_second").get<double>();
      }
    }
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: {}", file, e.what()); }
  VOX_CHECK_DATA(f.latency_s > 0 && std::isfinite(f.latency_s) && f.bytes_per_s > 0,
                 "{}: has no collectives between several ranks, as mpirun -n 2 voxgrad doctor --json prints them",
                 file);
  return f;
}

StepCosts costs_of(const UNetConfig& config) {
  const UNet3d net(config, DType::f32, kNoWeights);
  StepCosts costs{.parameters = net.parameter_count(), .heads = config.supervision};
  for (const LayerCost& layer : unet_summary(config, 1, size_divisor(config), DType::f32)) {
    if (layer.kind == "batch norm") { costs.batch_norms.push_back(layer.output[1]); }
    if (layer.kind == "instance norm") { costs.instance_norms.push_back(layer.output[1]); }
  }
  return costs;
}

ScalingPoint scaled_step(const StepCosts& costs, const Fabric& fabric, std::int64_t batch, std::int64_t ranks) {
  VOX_CHECK(ranks >= 1 && batch >= ranks, "a batch of {} cases on {} ranks: wants a case for each, at least", batch,
            ranks);
  VOX_CHECK(fabric.most_ranks == 0 || ranks <= fabric.most_ranks, "{} joins {} ranks at most, not {}", fabric.name,
            fabric.most_ranks, ranks);
  ScalingPoint p{.ranks = ranks, .batch = batch, .most_cases = (batch + ranks - 1) / ranks};
  const auto cases = static_cast<double>(p.most_cases);
  const double even = static_cast<double>(batch) / static_cast<double>(ranks);
  p.even_s = costs.rest_s + even * costs.case_s;
  p.uneven_s = (cases - even) * costs.case_s;
  Calls calls(fabric, ranks);
  const auto gather = [&](double values_of_case) {
    p.statistics_s += calls.small_gather(values_of_case * cases * kSum);
  };
  constexpr double kMoments = 3;  // of a channel and case: number, mean, sum of squares about it
  constexpr double kGradientSums = 2;
  for (const std::int64_t channels : costs.batch_norms) {
    gather(kMoments * static_cast<double>(channels));
    gather(kGradientSums * static_cast<double>(channels));
  }
  for (const std::int64_t channels : costs.instance_norms) { gather(kGradientSums * static_cast<double>(channels)); }
  constexpr double kLossSums = 16;  // values of a case; as small as the vote whether the run goes on
  for (std::int64_t call = 0; call < costs.heads + 1; ++call) { gather(kLossSums); }
  const double gradients = static_cast<double>(costs.parameters) * kGradient;
  const auto buckets = static_cast<std::int64_t>(std::ceil(gradients / static_cast<double>(costs.bucket_bytes)));
  const double bucket = gradients / static_cast<double>(buckets);
  const double sent = costs.reduce == Reduce::ordered ? static_cast<double>(most_nodes(batch, ranks)) * bucket : bucket;
  double each = 0;
  for (std::int64_t b = 0; b < buckets; ++b) { each = calls.large(sent) + calls.large(bucket); }
  if (costs.reduce == Reduce::fast && ranks > 1) { calls.count -= buckets; }  // both halves are one call
  const auto n = static_cast<double>(buckets);
  p.exchange_s = n * each;
  // Bucket b is ready when (b + 1) / n of the backward pass are over, and goes when the one before it has gone.
  const double backward = costs.backward_share * cases * costs.case_s;
  p.exposed_s = std::max(each, backward / n + p.exchange_s - backward);
  p.collectives = calls.count;
  p.sent_bytes = calls.bytes;
  return p;
}

double efficiency(const ScalingPoint& point, const ScalingPoint& one) {
  return point.cases_per_s() / (static_cast<double>(point.ranks) * one.cases_per_s());
}

}  // namespace vox
