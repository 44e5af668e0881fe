#include "benchmarks/output/bench_page.h"

#include "tests/support/catch.h"

namespace vox::bench {

TEST_CASE("a bench's page has a point of the roofline for every line with flops, under its name", "[report]") {
  const Json row{{"op", "conv3d"}, {"pass", "forward"}, {"shape", "8-8@16^3"}, {"batch", 2},
                 {"ms", 1.5},      {"flops", 4000},     {"bytes", 100},        {"gflop_per_s", 20.0}};
  const Json results{{"facts",
                      {{"machine", "m"},
                       {"ceiling_f32_flop_per_s", Json::array({1e11})},
                       {"ceiling_tensor_flop_per_s", Json::array({0.0})},
                       {"ceiling_copy_bytes_per_s", Json::array({1e10})}}},
                     {"rows", Json::array({row, Json{{"op", "relu"}, {"error", "e"}}})}};
  const Json page = bench_page(results);
  REQUIRE(page["sections"][1]["title"] == "Roofline");
  const Json chart = page["sections"][1]["charts"][0];
  REQUIRE(chart["series"].size() == 2);
  CHECK(chart["series"][0]["x"] == Json::array({40.0}));
  CHECK(chart["series"][0]["y"] == Json::array({20.0}));
  CHECK(chart["series"][0]["names"] == Json::array({"conv3d forward 8-8@16^3 batch 2"}));
  CHECK(chart["series"][1]["y"] == Json::array({5.0, 100.0, 100.0}));  // 10 GB/s at 0.5, the ridge at 10, flat
}

}  // namespace vox::bench
