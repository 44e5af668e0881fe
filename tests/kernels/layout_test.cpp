#include "kernels/layout.h"

#include <limits>

#include "engine/context.h"
#include "engine/tensor.h"
#include "kernels/base/volume.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {

TEST_CASE("a volume's extents count channels in blocks of eight", "[layout]") {
  const VolumeShape s{.n = 2, .c = 12, .d = 3, .h = 4, .w = 5};
  CHECK(s.voxels() == 60);
  CHECK(s.blocks() == 2);
  CHECK(s.count() == 2 * 12 * 60);
  CHECK(s.padded_count() == 2 * 16 * 60);
  CHECK(s.channels_in(0) == 8);
  CHECK(s.channels_in(1) == 4);
  CHECK(s.at(0, 0, 0) == 0);
  CHECK(s.at(0, 7, 2) == 2 * 8 + 7);
  CHECK(s.at(0, 8, 0) == 60 * 8);
  CHECK(s.at(1, 11, 59) == 2 * 2 * 60 * 8 - 8 + 3);
  CHECK(channel_blocks(1) == 1);
  CHECK(channel_blocks(8) == 1);
  CHECK(channel_blocks(9) == 2);
}

TEST_CASE("values keep their place through the blocked layout, and padding channels hold zero", "[layout]") {
  for (const Shape& x : {Shape{1, 1, 1, 1, 1}, Shape{2, 3, 4, 5, 6}, Shape{1, 8, 3, 1, 2}, Shape{2, 33, 1, 2, 3}}) {
    INFO(x.str());
    Values values(static_cast<std::size_t>(x.count()));
    for (std::size_t i = 0; i < values.size(); ++i) { values[i] = static_cast<double>(i + 1); }
    const Tensor t = Tensor::volume_of<double>(x, values);
    CHECK(t.stored_count() == x.volume().padded_count());
    CHECK(t.to_doubles() == values);
    CHECK(nonzero_padding(t) == "");
    const VolumeShape s = x.volume();
    const auto stored = t.values<double>();
    for (std::int64_t i = 0; i < s.count(); ++i) {
      const std::int64_t place = s.at(i / (s.c * s.voxels()), i / s.voxels() % s.c, i % s.voxels());
      REQUIRE(stored[static_cast<std::size_t>(place)] == values[static_cast<std::size_t>(i)]);
    }
  }
}

TEST_CASE("nonzero_padding finds a value in a padding channel", "[layout]") {
  Tensor t = Tensor::volume_of<float>({1, 3, 1, 1, 2}, std::vector<float>(6, 1.0F));
  t.mutable_values<float>()[8 + 5] = std::numeric_limits<float>::quiet_NaN();
  CHECK(nonzero_padding(t) == "padding channel 5 of case 0 voxel 1 holds nan");
}

TEST_CASE("to_blocked overwrites padding channels that held something", "[layout]") {
  const VolumeShape s{.n = 1, .c = 3, .d = 1, .h = 1, .w = 2};
  std::vector<float> blocked(static_cast<std::size_t>(s.padded_count()), 9.0F);
  const std::vector<float> plain{1, 2, 3, 4, 5, 6};
  to_blocked(cpu_queue(), ToBlockedArgs<float>{.shape = s, .plain = plain, .blocked = blocked});
  CHECK(blocked == std::vector<float>{1, 3, 5, 0, 0, 0, 0, 0, 2, 4, 6, 0, 0, 0, 0, 0});
}

TEST_CASE("a volume is refused the wrong number of values, and extents below zero", "[layout]") {
  const std::vector<float> five(5);
  CHECK_THROWS_WITH(Tensor::volume_of<float>({1, 3, 1, 1, 2}, five),
                    ContainsSubstring("Tensor::volume_of: 5 values for shape 1x3x1x1x2"));
  CHECK_THROWS_WITH(Tensor::volume({1, 3, 2}, DType::f32), ContainsSubstring("1x3x2 is not [N,C,D,H,W]"));
  CHECK_THROWS_WITH(Tensor::volume({1, -3, 1, 1, 2}, DType::f32), ContainsSubstring("has a negative extent"));
}

}  // namespace vox::test
