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
          .batch_norms = {10, 20},
          .instance_norms = {},
          .heads = 1,
          .bucket_bytes = 500'000};
}

}  // namespace

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
  // Gathers: 2 rounds of 1 ms, and what comes from 3 other ranks. Moments of 2 cases: 3 x 10 x 2 x 8 = 480 bytes of
  // the first norm, 960 of the second; sums of its gradient 320 and 640; loss and vote 16 x 2 x 8 = 256.
  const double bytes = 3 * (480 + 960 + 320 + 640 + 2 * 256);
  const double statistics = 6 * 2e-3 + bytes * 1e-6;
  CHECK(p.statistics_s == Approx(statistics));
  // Two buckets of 0.5 MB, out and back: 3 messages of 1 ms and 3/4 of the bytes.
  const double bucket = 2 * (3e-3 + 0.375);
  CHECK(p.exchange_s == Approx(2 * bucket));
  CHECK(p.exposed_s == Approx(bucket));  // the first is over before the backward pass of 4 s is
  CHECK(p.collectives == 4 + 2 + 4);
  CHECK(p.sent_bytes == Approx(bytes + 4 * 375'000));
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
  const ScalingPoint p = scaled_step(costs(), kFabric, 8, 3);  // [0,3) is two nodes, [3,6) two, [6,8) one
  CHECK(p.most_cases == 3);
  CHECK(p.even_s == Approx(0.5 + 8));
  CHECK(p.uneven_s == Approx(1));
  CHECK(p.exchange_s == Approx(2 * ((2e-3 + 2 * 0.5 * 2 / 3) + (2e-3 + 0.5 * 2 / 3))));  // two blocks out, a slice back
}

TEST_CASE("fast sums send one block in one call") {
  StepCosts c = costs();
  c.reduce = Reduce::fast;
  const ScalingPoint p = scaled_step(c, kFabric, 8, 3);
  CHECK(p.exchange_s == Approx(2 * 2 * (2e-3 + 0.5 * 2 / 3)));
  CHECK(p.collectives == 4 + 2 + 2);
}

TEST_CASE("what cannot be scaled is refused") {
  CHECK_THROWS_WITH(scaled_step(costs(), kFabric, 3, 4), ContainsSubstring("a batch of 3 cases on 4 ranks"));
  CHECK_THROWS_WITH(scaled_step(costs(), kFabric, 16, 16), ContainsSubstring("joins 8 ranks at most, not 16"));
  CHECK_THROWS_WITH(fabric_named("token ring"), ContainsSubstring("wants one of: ethernet25, ethernet100, nvlink4"));
}

TEST_CASE("a fabric is what doctor has measured") {
  const std::string json = R"({"ranks": {"ranks": [{}, {}, {}], "collectives": [
    {"communicator": "MPI", "rows": [{"call": "all-gather", "bytes": 8, "seconds": 1, "bytes_per_second": 1}]},
    {"communicator": "NCCL", "rows": [
    {"call": "all-gather", "bytes": 1024, "seconds": 9, "bytes_per_second": 9},
    {"call": "all-gather", "bytes": 8, "seconds": 6e-5, "bytes_per_second": 9},
    {"call": "all-to-all", "bytes": 67108864, "seconds": 1, "bytes_per_second": 2e9},
    {"call": "all-to-all", "bytes": 8, "seconds": 1, "bytes_per_second": 9},
    {"call": "barrier", "seconds": 5e-5}]}]}})";
  const Fabric f = measured_fabric(json, "doctor.json");
  CHECK(f.latency_s == Approx(3e-5));  // two rounds of three ranks
  CHECK(f.bytes_per_s == Approx(2e9));
  CHECK(f.most_ranks == 0);
  CHECK_THROWS_WITH(measured_fabric(R"({"cpu": 1})", "x.json"), ContainsSubstring("x.json"));
  CHECK_THROWS_WITH(measured_fabric(R"({"ranks": {"ranks": [{}], "collectives": []}})", "x.json"),
                    ContainsSubstring("x.json: has no collectives between several ranks"));
}

TEST_CASE("the costs of a network are counted") {
  const StepCosts seed = costs_of(unet_preset("seed"));
  CHECK(seed.parameters == 5'647'732);
  CHECK(seed.batch_norms ==
        std::vector<std::int64_t>{16, 16, 32, 32, 64, 64, 128, 128, 256, 256, 128, 128, 64, 64, 32, 32, 16, 16});
  CHECK(seed.instance_norms.empty());
  CHECK(seed.heads == 1);
  const StepCosts nnunet = costs_of(unet_preset("nnunet"));
  CHECK(nnunet.batch_norms.empty());
  CHECK(nnunet.instance_norms.size() == 22);
  CHECK(nnunet.heads == 4);
}
