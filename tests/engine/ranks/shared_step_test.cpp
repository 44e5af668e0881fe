// A step of a batch that several ranks share: threads of this process, each with its own network and its own cases.
#include <cstring>
#include <mutex>

#include "engine/context.h"
#include "engine/ranks/rank_sums.h"
#include "engine/ranks/share_scope.h"
#include "kernels/base/check.h"
#include "model/optimizer.h"
#include "model/train_step.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/thread_ranks.h"

namespace vox::test {
namespace {

struct Setting {
  const char* name;
  UNetConfig config;
  LossOptions loss;
  Fusion fusion = Fusion::on;
};

UNetConfig narrow(const char* preset) { return with_widths(unet_preset(preset), {8, 16, 8}); }

UNetConfig regions_of(UNetConfig c) {
  c.targets = Targets::regions;
  c.classes = 3;
  c.supervision = 2;
  return c;
}

std::vector<Setting> settings() {
  LossOptions per_case;
  per_case.sums = Sums::per_case;
  LossOptions regions;
  regions.targets = Targets::regions;
  regions.terms = {LossTerm::dice, LossTerm::binary_cross_entropy};
  regions.sums = Sums::batch;
  return {{"batch norm, sums of each case", narrow("seed"), per_case},
          {"batch norm, plain operators", narrow("seed"), {}, Fusion::off},
          {"no norm, sums of the batch", narrow("tutorial"), {}},
          {"instance norm, regions, several heads", regions_of(narrow("nnunet")), regions}};
}

/// Bits of all that a rank has after two steps: losses, norms, weights, running statistics, and the gradients before.
struct Result {
  std::vector<double> values;
  RankSums::Traffic traffic;
};

void append(std::vector<double>& to, const Tensor& t) {
  const Values v = t.to_doubles();
  to.insert(to.end(), v.begin(), v.end());
}

struct Batch {
  Tensor images;
  Tensor labels;
};

Batch some_batch(const UNetConfig& config, std::int64_t cases) {
  const Shape shape{cases, config.in_channels, 8, 8, 8};
  const Shape of_labels{cases, 8, 8, 8};
  return {to_tensor(make_values(shape.count(), 1), shape, Kind::volume, DType::f32),
          to_tensor(make_labels(of_labels.count(), 4, 2), of_labels, Kind::labels, DType::f32)};
}

/// ranks: null: alone.
Result two_steps(const Setting& setting, DType dtype, const Batch& batch, std::int64_t micro_batch, RankSums* ranks) {
  UNet3d net(setting.config, dtype, 7);
  net.set_fusion(setting.fusion);
  Optimizer adam(net.parameters(), {});
  const std::int64_t cases = batch.images.shape()[0];
  std::vector<MicroBatch> parts;
  for (std::int64_t first = 0; first < cases; first += micro_batch) {
    const std::int64_t count = std::min(micro_batch, cases - first);
    BatchShare share;
    if (ranks != nullptr) { share = share_of(count, ranks->ranks().rank(), ranks->ranks().size()); }
    const std::int64_t from = ranks == nullptr ? first : first + share.first_here();
    const std::int64_t here = ranks == nullptr ? count : share.here();
    parts.push_back({cases_of(batch.images, from, here, Kind::volume, dtype),
                     cases_of(batch.labels, from, here, Kind::labels, dtype), share});
  }
  Result result;
  for (std::uint32_t step = 0; step < 2; ++step) {
    const PendingLoss losses = submit_batch(net, parts, setting.loss, 3, step, nullptr, ranks);
    for (const Tensor& loss : losses.losses()) { append(result.values, loss); }
    for (const NamedTensor& p : net.parameters()) { append(result.values, p.tensor.grad()); }
    result.values.push_back(adam.step(1e-3));
    for (const NamedTensor& p : net.parameters()) { append(result.values, p.tensor); }
    for (const NamedTensor& b : net.buffers()) { append(result.values, b.tensor); }
  }
  if (ranks != nullptr) { result.traffic = ranks->traffic(); }
  return result;
}

std::vector<Result> on_ranks(int n, const Setting& setting, DType dtype, const Batch& batch, std::int64_t micro_batch,
                             Reduce reduce = Reduce::ordered) {
  std::vector<Result> results(static_cast<std::size_t>(n));
  const CpuQueue queue = cpu_queue();
  run_ranks(n, [&](Communicator& ranks) {
    cpu_queue() = queue;
    cpu_queue().threads = 1 + ranks.rank() % 2;
    const auto meanwhile = ranks.duplicate();
    RankSums sums(ranks, *meanwhile, reduce);
    results[static_cast<std::size_t>(ranks.rank())] = two_steps(setting, dtype, batch, micro_batch, &sums);
  });
  return results;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

}  // namespace

TEST_CASE("two steps leave the same bits on any number of ranks", "[ranks]") {
  for (const Setting& setting : settings()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const std::int64_t cases : {1, 3, 4}) {
        const Batch batch = some_batch(setting.config, cases);
        const Result alone = two_steps(setting, dtype, batch, cases, nullptr);
        for (const int n : {1, 2, 3, 5}) {
          INFO(setting.name << ", " << name(dtype) << ", " << cases << " cases on " << n << " ranks");
          for (const Result& r : on_ranks(n, setting, dtype, batch, cases)) {
            CHECK(same_bits(r.values, alone.values));
            CHECK((n == 1 || r.traffic.messages > 0));
          }
        }
      }
    }
  }
}

TEST_CASE("micro-batches that ranks share leave the bits of micro-batches of one rank", "[ranks][threads]") {
  const Setting setting = settings()[0];
  const Batch batch = some_batch(setting.config, 5);
  const Result alone = two_steps(setting, DType::f32, batch, 2, nullptr);
  for (const int n : {2, 3}) {
    for (const Result& r : on_ranks(n, setting, DType::f32, batch, 2)) { CHECK(same_bits(r.values, alone.values)); }
  }
}

TEST_CASE("a fast reduction is the same on every rank, and near the ordered one", "[ranks][threads]") {
  const Setting setting = settings()[0];
  const Batch batch = some_batch(setting.config, 3);
  const Result alone = two_steps(setting, DType::f64, batch, 3, nullptr);
  const std::vector<Result> fast = on_ranks(2, setting, DType::f64, batch, 3, Reduce::fast);
  CHECK(same_bits(fast[0].values, fast[1].values));
  const double apart = relative_error(fast[0].values, alone.values);
  CHECK(apart < 1e-9);
}

TEST_CASE("what a rank sends is as the cost of the sums says", "[ranks]") {
  const Setting setting = settings()[0];
  const Batch batch = some_batch(setting.config, 4);
  std::int64_t elements = 0;
  std::int64_t norms = 0;
  std::int64_t channels = 0;
  const UNet3d net(setting.config, DType::f32, 7);
  for (const NamedTensor& p : net.parameters()) {
    if (p.name.ends_with("gamma") || p.name.find("norm") != std::string::npos) {
      channels += p.tensor.shape().count();
      ++norms;
    } else {
      elements += p.tensor.shape().count();
    }
  }
  INFO(elements << " elements, " << norms << " parameters of norms");
  const auto bytes = [&](int n) { return on_ranks(n, setting, DType::f32, batch, 4)[1].traffic.bytes / 2; };
  // Of 4 ranks each has one node: it sends 3/4 of its row and its quarter of the sums to 3 others, up to the rounding
  // of slices; moments and sums are a few hundred bytes.
  const double of_gradients = static_cast<double>(elements) * 4 * (0.75 + 0.75);
  CHECK(static_cast<double>(bytes(4)) >= of_gradients * 0.98);
  CHECK(static_cast<double>(bytes(4)) <= of_gradients * 1.02 + static_cast<double>(channels) * 400 + 4096);
}

TEST_CASE("an operator whose sums are not shared refuses a shared batch", "[ranks]") {
  std::string said;
  run_ranks(2, [&](Communicator& ranks) {
    const auto meanwhile = ranks.duplicate();
    RankSums sums(ranks, *meanwhile);
    const ShareScope scope(share_of(2, ranks.rank(), 2), sums);
    const Tensor x = Tensor::zeros({1, 8, 2, 2, 2}, DType::f32, Device::cpu, Layout::blocked);
    try {
      static_cast<void>(sum(x));
    } catch (const Error& e) {
      if (ranks.rank() == 0) { said = e.what(); }
    }
  });
  CHECK(said == "sum: the batch is shared out among ranks, and its sums are not");
}

}  // namespace vox::test
