#include "model/scaling.h"

#include <vector>

#include "tests/support/catch.h"

using namespace vox;
using namespace vox::test;

namespace {

// Round numbers: 1 ms a message, 1 MB/s, a network of 250,000 parameters, 1 MB of gradients.
const Fabric kFabric{.name = "test", .latency_s = 1e-3, .bytes_per_s = 1e6, .most_ranks = 8, .source = ""};

StepCosts costs() {
  return {.case_s = 3,
          .rest_s = 0.5,
          .backward_share = 2.0 / 3,
          .parameters = 250'000,
          .norm_channels = {10, 20},
          .heads = 1,
          .bucket_bytes = 500'000};
}

}  // namespace

TEST_CASE("a rank gives the nodes of one tree over the cases") {
  CHECK(tree_blocks(0, 0) == 0);
  CHECK(tree_blocks(0, 1) == 1);
  CHECK(tree_blocks(0, 8) == 1);
  CHECK(tree_blocks(8, 8) == 1);
  CHECK(tree_blocks(4, 8) == 2);   // [4,8) [8,12)
  CHECK(tree_blocks(0, 7) == 3);   // 4 2 1
  CHECK(tree_blocks(1, 7) == 3);   // 1 2 4
  CHECK(tree_blocks(3, 10) == 4);  // [3,4) [4,8) [8,12) [12,13)
  CHECK(tree_blocks(5, 1) == 1);
}

TEST_CASE("one rank takes its compute alone") {
  const ScalingPoint p = scaled_step(costs(), kFabric, 4, 1);
  CHECK(p.step_s() == Approx(12.5));
  CHECK(p.collectives == 0);
  CHECK(p.sent_bytes == 0);
  CHECK(efficiency(p, p) == Approx(1));
}

TEST_CASE("a step on four ranks, by hand") {
  const ScalingPoint p = scaled_step(costs(), kFabric, 8, 4);  // two cases each, one block each
  CHECK(p.even_s == Approx(0.5 + 2 * 3));
  CHECK(p.uneven_s == 0);
  // Norms, each twice: 2 rounds of 1 ms; 3 other ranks' 2 sums x channels x 2 cases x 4 bytes = 160 and 320 bytes each.
  // Loss and vote: 16 values x 2 cases x 4 bytes = 128 bytes.
  const double statistics = 2 * (2e-3 + 480e-6) + 2 * (2e-3 + 960e-6) + 2 * (2e-3 + 384e-6);
  CHECK(p.statistics_s == Approx(statistics));
  // Two buckets of 0.5 MB, out and back: 3 messages of 1 ms and 3/4 of the bytes.
  const double bucket = 2 * (3e-3 + 0.375);
  CHECK(p.exchange_s == Approx(2 * bucket));
  CHECK(p.exposed_s == Approx(bucket));  // the first is over before the backward pass of 4 s is
  CHECK(p.collectives == 4 + 2 + 4);
  CHECK(p.sent_bytes == Approx(2 * 480 + 2 * 960 + 2 * 384 + 4 * 375'000));
  CHECK(p.step_s() == Approx(6.5 + statistics + bucket));
  const ScalingPoint one = scaled_step(costs(), kFabric, 8, 1);
  CHECK(efficiency(p, one) == Approx(24.5 / (4 * (6.5 + statistics + bucket))));
}

TEST_CASE("a slow exchange ends behind the backward pass") {
  StepCosts c = costs();
  c.case_s = 0.3;  // of two cases 0.4 s of backward pass, 0.2 s for a bucket
  const ScalingPoint p = scaled_step(c, kFabric, 8, 4);
  CHECK(p.exposed_s == Approx(0.2 + 2 * 2 * (3e-3 + 0.375) - 0.4));
}

TEST_CASE("uneven shares cost idle ranks and more blocks") {
  const ScalingPoint p = scaled_step(costs(), kFabric, 7, 2);  // 4 cases, one block; 3 cases, two blocks
  CHECK(p.most_cases == 4);
  CHECK(p.even_s == Approx(0.5 + 3.5 * 3));
  CHECK(p.uneven_s == Approx(0.5 * 3));
  CHECK(p.exchange_s == Approx(2 * ((1e-3 + 0.5) + (1e-3 + 0.25))));  // two blocks out, one slice back
}

TEST_CASE("fast sums send one block in one call") {
  StepCosts c = costs();
  c.reduce = Reduce::fast;
  const ScalingPoint p = scaled_step(c, kFabric, 7, 2);
  CHECK(p.exchange_s == Approx(2 * 2 * (1e-3 + 0.25)));
  CHECK(p.collectives == 4 + 2 + 2);
}

TEST_CASE("what cannot be scaled is refused") {
  CHECK_THROWS_WITH(scaled_step(costs(), kFabric, 3, 4), ContainsSubstring("a batch of 3 cases on 4 ranks"));
  CHECK_THROWS_WITH(scaled_step(costs(), kFabric, 16, 16), ContainsSubstring("joins 8 ranks at most, not 16"));
  CHECK_THROWS_WITH(fabric_named("token ring"), ContainsSubstring("wants one of: ethernet25, ethernet100, nvlink4"));
}

TEST_CASE("the costs of a network are counted") {
  const StepCosts seed = costs_of(unet_preset("seed"));
  CHECK(seed.parameters == 5'647'732);
  CHECK(seed.norm_channels ==
        std::vector<std::int64_t>{16, 16, 32, 32, 64, 64, 128, 128, 256, 256, 128, 128, 64, 64, 32, 32, 16, 16});
  CHECK(seed.heads == 1);
  const StepCosts nnunet = costs_of(unet_preset("nnunet"));  // instance norm looks at no other case
  CHECK(nnunet.norm_channels.empty());
  CHECK(nnunet.heads == 4);
}
