#include "model/not_finite.h"

#include <limits>

#include "kernels/base/check.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

const std::vector<std::string> kCases{"A", "B"};
constexpr std::int64_t kVoxels = 16 * 16 * 32;

UNetConfig tiny(const char* preset) {
  UNetConfig c = unet_preset(preset);
  c.widths = {3, 4, 5, 6, 9};
  return c;
}

/// Two cases, together or in parts of one.
std::vector<MicroBatch> parts_of(const std::vector<double>& images, std::int64_t channels, std::int64_t cases,
                                 Device device) {
  std::vector<MicroBatch> parts;
  for (std::int64_t first = 0; first < 2; first += cases) {
    const auto begin = images.begin() + first * channels * kVoxels;
    const Shape shape{cases, channels, 16, 16, 32};
    parts.push_back(
        {.images = to_tensor(Values(begin, begin + shape.count()), shape, Kind::volume, DType::f32).to(device),
         .labels =
             to_tensor(make_labels(cases * kVoxels, 4, 5), {cases, 16, 16, 32}, Kind::labels, DType::f32).to(device)});
  }
  return parts;
}

/// Weights of the network with one of them replaced at its first number.
void set(const UNet3d& net, const std::string& name, double value) {
  for (const NamedTensor& p : net.parameters()) {
    if (p.name != name) { continue; }
    Values values = p.tensor.to_doubles();
    values.front() = value;
    Tensor(p.tensor).assign(to_tensor(values, p.tensor.shape(), Kind::plain, DType::f32));
    return;
  }
  FAIL("no weight " << name);
}

std::string found(const UNet3d& net, const std::vector<MicroBatch>& parts) {
  return first_not_finite(net, parts, kCases, {}, 7, 0).text;
}

}  // namespace

TEST_CASE("the first number that is not finite is found where it arises", "[model]") {
  const Device device = GENERATE(Device::cpu, Device::simt);
  const std::int64_t cases = GENERATE(2, 1);
  INFO(name(device) << ", " << cases << " cases at a time");
  UNet3d net(tiny("seed"), DType::f32, 3, device);
  net.set_fusion(Fusion::off);
  Values images = make_values(2 * 4 * kVoxels, 3);
  CHECK(found(net, parts_of(images, 4, cases, device)).empty());

  // A large number in case B, and a large weight: only their product is too large.
  const std::size_t at = (4 + 2) * kVoxels + 16 * 32 * 5 + 32 * 6 + 7;
  images[at] = 1e30;
  for (const NamedTensor& p : net.parameters()) {
    if (p.name == "encoder.0.conv1.weight") {
      Tensor(p.tensor).assign(to_tensor(Values(static_cast<std::size_t>(p.tensor.shape().count()), 1e10),
                                        p.tensor.shape(), Kind::plain, DType::f32));
    }
  }
  CHECK_THAT(found(net, parts_of(images, 4, cases, device)),
             ContainsSubstring(fmt::format("encoder.0.conv1: the result of conv3d {}x3x16x16x32 is inf in case B "
                                           "(sample 1), first in channel 0, voxel 4,5,6; 81 of its",
                                           cases)));
  images[at] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THAT(found(net, parts_of(images, 4, cases, device)),
             ContainsSubstring("the image ") &&
                 ContainsSubstring("is nan in case B (sample 1), first in channel 2, voxel 5,6,7; 1 of its"));
  set(net, "decoder.1.norm2.bias", std::numeric_limits<double>::infinity());
  images[at] = 0;
  CHECK_THAT(found(net, parts_of(images, 4, cases, device)),
             ContainsSubstring("the weight decoder.1.norm2.bias") && ContainsSubstring("is inf at 0; 1 of its 5"));
}

TEST_CASE("a gradient that is not finite is found where it arises", "[model]") {
  UNet3d net(tiny("tutorial"), DType::f32, 3, Device::cpu);
  net.set_fusion(Fusion::off);
  for (const NamedTensor& p : net.parameters()) {
    const auto all = [&](double value) {
      Tensor(p.tensor).assign(to_tensor(Values(static_cast<std::size_t>(p.tensor.shape().count()), value),
                                        p.tensor.shape(), Kind::plain, DType::f32));
    };
    if (p.name == "decoder.3.conv1.bias") { all(0x1p-66); }
    // Two channels of 1, whose difference, 0, a large head makes logits of; the gradient of each is large.
    if (p.name == "decoder.3.conv2.weight") {
      Values taps(static_cast<std::size_t>(p.tensor.shape().count()), 0);
      for (const std::size_t channel : {0U, 1U}) { taps[(channel * 3 + channel) * 27 + 13] = 0x1p66; }
      Tensor(p.tensor).assign(to_tensor(taps, p.tensor.shape(), Kind::plain, DType::f32));
    }
    if (p.name == "head.weight") {
      Values head(static_cast<std::size_t>(p.tensor.shape().count()), 0);
      head[0] = 0x1p100;
      head[1] = -0x1p100;
      Tensor(p.tensor).assign(to_tensor(head, p.tensor.shape(), Kind::plain, DType::f32));
    }
  }
  const Values zeros(static_cast<std::size_t>(2 * 3 * kVoxels), 0);
  CHECK_THAT(found(net, parts_of(zeros, 3, 2, Device::cpu)),
             ContainsSubstring("decoder.3.conv1: the gradient that arrives at the result of ") &&
                 ContainsSubstring("A (sample 0), B (sample 1)"));
}

}  // namespace vox::test
