#include "model/scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "kernels/base/check.h"
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

std::int64_t most_blocks(std::int64_t batch, std::int64_t ranks) {
  std::int64_t most = 0;
  std::int64_t first = 0;
  for (std::int64_t r = 0; r < ranks; ++r) {
    const std::int64_t count = batch / ranks + (r < batch % ranks ? 1 : 0);
    most = std::max(most, tree_blocks(first, count));
    first += count;
  }
  return most;
}

constexpr double kValue = 4;  // bytes of a sum

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

StepCosts costs_of(const UNetConfig& config) {
  const UNet3d net(config, DType::f32, kNoWeights);
  StepCosts costs{.parameters = net.parameter_count(), .heads = config.supervision};
  for (const NamedTensor& b : net.buffers()) {
    if (b.name.ends_with("running_mean")) { costs.norm_channels.push_back(b.tensor.shape().count()); }
  }
  return costs;
}

std::int64_t tree_blocks(std::int64_t first, std::int64_t count) {
  std::int64_t blocks = 0;
  for (const std::int64_t end = first + count; first < end; ++blocks) {
    auto size = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(end - first)));
    if (first != 0) { size = std::min(size, first & -first); }
    first += size;
  }
  return blocks;
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
  for (const std::int64_t channels : costs.norm_channels) {
    const double sums = 2 * static_cast<double>(channels) * cases * kValue;  // two a channel and case: both ways
    p.statistics_s += calls.small_gather(sums) + calls.small_gather(sums);
  }
  constexpr double kLossSums = 16;  // values of a case; as small as the vote whether the run goes on
  for (std::int64_t call = 0; call < costs.heads + 1; ++call) {
    p.statistics_s += calls.small_gather(kLossSums * cases * kValue);
  }
  const double gradients = static_cast<double>(costs.parameters) * kValue;
  const auto buckets = static_cast<std::int64_t>(std::ceil(gradients / static_cast<double>(costs.bucket_bytes)));
  const double bucket = gradients / static_cast<double>(buckets);
  const double sent =
      costs.reduce == Reduce::ordered ? static_cast<double>(most_blocks(batch, ranks)) * bucket : bucket;
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
