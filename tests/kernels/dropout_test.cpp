#include <cmath>

#include "engine/context.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "kernels/base/philox.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

constexpr std::int64_t kCount = 1 << 18;
const DropoutOptions kOptions{.p = 0.3, .key = {.seed = 0x123456789ABCDEFULL, .step = 17, .place = 3}};

Tensor ones() { return Tensor::of<float>({kCount}, std::vector<float>(kCount, 1.0F)); }
Values mask(const DropoutOptions& options) { return dropout(ones(), options).to_doubles(); }
bool operator_equal(const Philox4& a, const std::array<std::uint32_t, 4>& b) {
  return a.v[0] == b[0] && a.v[1] == b[1] && a.v[2] == b[2] && a.v[3] == b[3];
}
double part_that_differs(const Values& a, const Values& b) {
  std::int64_t differ = 0;
  for (std::size_t i = 0; i < a.size(); ++i) { differ += (a[i] != b[i]) ? 1 : 0; }
  return static_cast<double>(differ) / static_cast<double>(a.size());
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the known answers of its authors", "[philox]") {
  constexpr std::uint32_t kOnes = 0xFFFFFFFFU;
  CHECK(operator_equal(philox4x32({{0, 0, 0, 0}}, 0, 0), {0x6627E8D5U, 0xE169C58DU, 0xBC57AC4CU, 0x9B00DBD8U}));
  CHECK(operator_equal(philox4x32({{kOnes, kOnes, kOnes, kOnes}}, kOnes, kOnes),
                       {0x408F276DU, 0x41C83B0EU, 0xA20BC7C6U, 0x6D5451FDU}));
  CHECK(operator_equal(philox4x32({{0x243F6A88U, 0x85A308D3U, 0x13198A2EU, 0x03707344U}}, 0xA4093822U, 0x299F31D0U),
                       {0xD16CFE09U, 0x94FDCCEBU, 0x5001E420U, 0x24126EA1U}));
}

TEST_CASE("the stream counts groups, step and place, and is keyed by the seed", "[philox]") {
  const RandomKey key{.seed = 0x299F31D0A4093822ULL, .step = 0x13198A2EU, .place = 0x03707344U};
  CHECK(operator_equal(random4(key, 0x85A308D3243F6A88ULL), {0xD16CFE09U, 0x94FDCCEBU, 0x5001E420U, 0x24126EA1U}));
}

TEST_CASE("dropout keeps a part of 1-p, scaled so that the mean stays", "[dropout]") {
  for (const double p : {0.1, 0.3, 0.5, 0.95}) {
    const Values y = mask({.p = p, .key = kOptions.key});
    std::int64_t kept = 0;
    bool scaled = true;
    for (const double v : y) {
      scaled = scaled && (v == 0 || std::abs(v * (1 - p) - 1) < 1e-6);
      kept += v != 0 ? 1 : 0;
    }
    CHECK(scaled);
    const double deviation = std::sqrt(p * (1 - p) / static_cast<double>(kCount));
    CHECK(std::abs(static_cast<double>(kept) / static_cast<double>(kCount) - (1 - p)) <= 5 * deviation);
  }
}

TEST_CASE("the mask is a function of seed, step and place, and of nothing else", "[dropout]") {
  const Values first = mask(kOptions);
  CHECK(first == mask(kOptions));
  const double by_chance = 2 * 0.3 * 0.7;
  const auto differs = [&](DropoutOptions o) { return part_that_differs(first, mask(o)); };
  DropoutOptions o = kOptions;
  o.key.seed ^= 1ULL << 40U;
  CHECK(differs(o) == Approx(by_chance).margin(0.01));
  o = kOptions;
  ++o.key.step;
  CHECK(differs(o) == Approx(by_chance).margin(0.01));
  o = kOptions;
  ++o.key.place;
  CHECK(differs(o) == Approx(by_chance).margin(0.01));
}

TEST_CASE("the mask is the same on every instruction set, in every dtype and for any number of threads", "[dropout]") {
  const CpuQueue before = cpu_queue();
  cpu_queue() = {.threads = 1, .isa = Isa::baseline};
  const Values want = mask(kOptions);
  for (const Isa isa : runnable_isas()) {
    cpu_queue() = {.threads = 3, .isa = isa};
    CHECK(mask(kOptions) == want);
    for (const DType dtype : {DType::f64, DType::bf16}) {
      const Values y = dropout(cast(ones(), dtype), kOptions).to_doubles();
      bool same = true;
      for (std::size_t i = 0; i < y.size(); ++i) { same = same && (y[i] == 0) == (want[i] == 0); }
      CHECK(same);
    }
  }
  cpu_queue() = before;
}

TEST_CASE("backward drops what forward dropped", "[dropout]") {
  const Tensor x = ones().requires_grad();
  const Tensor y = dropout(x, kOptions);
  backward(y, ones());
  CHECK(x.grad().to_doubles() == y.to_doubles());
}

TEST_CASE("a dropped value is 0 whatever it was", "[dropout]") {
  const Tensor nan = Tensor::of<float>({kCount}, std::vector<float>(kCount, std::nanf("")));
  const Values y = dropout(nan, kOptions).to_doubles();
  const Values want = mask(kOptions);
  bool right = true;
  for (std::size_t i = 0; i < y.size(); ++i) { right = right && std::isnan(y[i]) == (want[i] != 0); }
  CHECK(right);
}

TEST_CASE("dropout with p = 0 is the identity, without a copy", "[dropout]") {
  const Tensor x = ones().requires_grad();
  const Tensor y = dropout(x, {.p = 0, .key = {}});
  CHECK(y.values<float>().data() == x.values<float>().data());
  backward(y, ones());
  CHECK(x.grad().to_doubles() == ones().to_doubles());
}

}  // namespace vox::test
