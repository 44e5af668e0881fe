#include <cmath>

#include "engine/context.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

/// y[n,d,h,w] = x[n,floor((d+1/2)*f),...], from the definition, in double.
Values shrunk(const Values& x, const Shape& s, std::int64_t factor) {
  const auto nearest = [factor](std::int64_t i) {
    return static_cast<std::int64_t>(std::floor((static_cast<double>(i) + 0.5) * static_cast<double>(factor)));
  };
  Values y;
  for (std::int64_t n = 0; n < s[0]; ++n) {
    for (std::int64_t d = 0; d < s[1] / factor; ++d) {
      for (std::int64_t h = 0; h < s[2] / factor; ++h) {
        for (std::int64_t w = 0; w < s[3] / factor; ++w) {
          const std::int64_t at = ((n * s[1] + nearest(d)) * s[2] + nearest(h)) * s[3] + nearest(w);
          y.push_back(x[static_cast<std::size_t>(at)]);
        }
      }
    }
  }
  return y;
}

struct Case {
  Shape shape;
  std::int64_t factor;
};
const Case kCases[] = {{{1, 2, 2, 2}, 2},   {{2, 4, 2, 6}, 2},  {{1, 4, 8, 4}, 4},
                       {{3, 2, 34, 38}, 2}, {{1, 8, 8, 24}, 8}, {{0, 4, 4, 4}, 2}};

Values drawn(const Shape& s) { return make_labels(s.count(), 4, 5); }
Tensor labels_of(const Shape& s) { return to_tensor(drawn(s), s, Kind::labels, DType::u8); }

}  // namespace

TEST_CASE("labels shrink to the nearest voxels, by any number of threads", "[ops]") {
  const int before = cpu_queue().threads;
  for (const Case& c : kCases) {
    for (const int threads : {1, 3}) {
      cpu_queue().threads = threads;
      INFO(c.shape.str() << " by " << c.factor);
      const Tensor y = shrink_labels(labels_of(c.shape), c.factor);
      CHECK(y.shape() == Shape{c.shape[0], c.shape[1] / c.factor, c.shape[2] / c.factor, c.shape[3] / c.factor});
      CHECK(y.to_doubles() == shrunk(drawn(c.shape), c.shape, c.factor));
    }
  }
  cpu_queue().threads = before;
}

TEST_CASE("labels shrink on simt and on a GPU as on the cpu, and remember the largest", "[ops][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const Case& c : kCases) {
    INFO(c.shape.str() << " by " << c.factor);
    const Tensor there = labels_of(c.shape).to(device);
    const Tensor y = shrink_labels(there, c.factor);
    CHECK(y.to_doubles() == shrunk(drawn(c.shape), c.shape, c.factor));
    CHECK(y.largest_label() == there.largest_label());
  }
}

TEST_CASE("labels that cannot shrink are refused, and why is said", "[ops][errors]") {
  const Tensor labels = Tensor::zeros({1, 4, 6, 8}, DType::u8);
  CHECK_THROWS_WITH(shrink_labels(labels, 4),
                    ContainsSubstring("shrink_labels: labels is 1x4x6x8, wants D, H and W divisible by 4"));
  for (const std::int64_t factor : {-2, 0, 1, 3}) {
    CHECK_THROWS_WITH(
        shrink_labels(labels, factor),
        ContainsSubstring("shrink_labels: factor is " + std::to_string(factor) + ", wants a power of two"));
  }
  CHECK_THROWS_WITH(shrink_labels(Tensor::zeros({1, 4, 4, 4}, DType::f32), 2),
                    ContainsSubstring("shrink_labels: labels is 1x4x4x4 f32 plain, wants plain u8 [N,D,H,W]"));
  CHECK_THROWS_WITH(shrink_labels(Tensor::zeros({4, 4, 4}, DType::u8), 2), ContainsSubstring("wants plain u8"));
}

}  // namespace vox::test
