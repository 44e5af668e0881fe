#include "model/warm_start.h"

#include <algorithm>
#include <limits>

#include "engine/safetensors.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

UNetConfig small(std::int64_t channels, std::int64_t classes) {
  UNetConfig c = unet_preset("seed");
  c.widths = {2, 3, 3, 4, 5};
  c.in_channels = channels;
  c.classes = classes;
  return c;
}

std::vector<NamedTensor> all_of(const UNet3d& net) {
  std::vector<NamedTensor> all = net.parameters();
  std::ranges::copy(net.buffers(), std::back_inserter(all));
  return all;
}

std::vector<std::vector<double>> values_of(const UNet3d& net) {
  std::vector<std::vector<double>> all;
  for (const NamedTensor& t : all_of(net)) { all.push_back(t.tensor.to_doubles()); }
  return all;
}

}  // namespace

TEST_CASE("a network begins with the tensors of a file that have its names and shapes", "[checkpoint]") {
  const TempFolder folder;
  const auto path = folder / "c.safetensors";
  const UNet3d from(small(4, 4), DType::f64, 1);
  save_checkpoint(path, from, nullptr, {});

  UNet3d same(small(4, 4), DType::f32, 2);
  const WarmStart whole = warm_start(same, path);
  CHECK(whole.left.empty());
  CHECK(whole.taken.size() == all_of(same).size());
  UNet3d rounded(small(4, 4), DType::f32, 3);
  CheckpointFile(path).load(rounded);
  CHECK(values_of(same) == values_of(rounded));

  UNet3d other(small(1, 3), DType::f64, 2);  // one modality, three classes
  const auto before = values_of(other);
  const WarmStart part = warm_start(other, path);
  REQUIRE(part.left.size() == 3);
  CHECK(part.taken.size() + 3 == before.size());
  const auto is_left = [&](std::size_t i, const char* name, const char* found, const char* wanted) {
    CHECK(part.left[i].name == name);
    CHECK(part.left[i].found == found);
    CHECK(part.left[i].wanted == wanted);
  };
  is_left(0, "encoder.0.conv1.weight", "f64 2x4x3x3x3", "2x1x3x3x3");
  is_left(1, "head.weight", "f64 4x2x1x1x1", "3x2x1x1x1");
  is_left(2, "head.bias", "f64 4", "3");
  const auto wants = values_of(from);
  const auto got = values_of(other);
  const auto tensors = all_of(other);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    INFO(tensors[i].name);
    const bool left = std::ranges::any_of(part.left, [&](const auto& l) { return l.name == tensors[i].name; });
    CHECK((left ? got[i] == before[i] : got[i] == wants[i]));
  }
}

TEST_CASE("a file that begins no network is refused, and nothing has changed", "[checkpoint][errors]") {
  const TempFolder folder;
  const auto path = folder / "c.safetensors";
  UNet3d net(small(4, 4), DType::f32, 2);
  const auto before = values_of(net);
  const std::vector<float> values(12, std::numeric_limits<float>::quiet_NaN());
  const auto write = [&](const char* name, std::vector<std::int64_t> shape, FileDType dtype) {
    write_safetensors(path, {{name, dtype, std::move(shape), std::as_bytes(std::span(values).first(8))}}, {});
  };
  write("conv_blocks_context.0.weight", {8}, FileDType::f32);
  CHECK_THROWS_AS(warm_start(net, path), DataError);
  CHECK_THROWS_WITH(warm_start(net, path), ContainsSubstring("c.safetensors: none of its tensors ('conv_blocks") &&
                                               ContainsSubstring("such as 'encoder.0.conv1.weight' 2x4x3x3x3"));
  write("head.weight", {4, 2, 1, 1, 1}, FileDType::f32);
  CHECK_THROWS_WITH(warm_start(net, path), ContainsSubstring("'head.weight' holds nan"));
  CHECK_THROWS_WITH(warm_start(net, folder / "absent.safetensors"), ContainsSubstring("absent.safetensors"));
  CHECK(values_of(net) == before);
}

}  // namespace vox::test
