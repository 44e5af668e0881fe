#include "model/weight_average.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/base/check.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

UNetConfig tiny() {
  UNetConfig c = unet_preset("seed");
  c.widths = {1, 2, 1, 1, 1};
  return c;
}

/// Parameters and running statistics.
std::vector<NamedTensor> all_of(const UNet3d& net) {
  std::vector<NamedTensor> all = net.parameters();
  std::ranges::copy(net.buffers(), std::back_inserter(all));
  return all;
}

std::vector<Values> values_of(const std::vector<NamedTensor>& tensors) {
  std::vector<Values> all;
  std::ranges::transform(tensors, std::back_inserter(all), [](const NamedTensor& t) { return t.tensor.to_doubles(); });
  return all;
}

}  // namespace

TEST_CASE("the average of the weights follows its formula, statistics included, on each device",
          "[optimizer][simt][cuda]") {
  std::vector<Device> devices = kernel_devices();
  devices.insert(devices.begin(), Device::cpu);
  constexpr double kDecay = 0.4;
  for (const Device device : devices) {
    for (const DType dtype : {DType::f64, DType::f32}) {
      INFO(name(dtype) << " on " << name(device));
      const UNet3d net(tiny(), dtype, 3, device);
      WeightAverage average(net, kDecay);
      CHECK(values_of(all_of(average.net())) == values_of(all_of(net)));
      std::vector<Values> wants = values_of(all_of(net));
      for (std::int64_t t = 1; t <= 8; ++t) {  // (1+t)/(10+t) passes 0.4 after the 5th
        const double decay = std::min(kDecay, (1.0 + static_cast<double>(t)) / (10.0 + static_cast<double>(t)));
        CHECK(std::abs(average.next_take(t - 1) - (1 - decay)) <= 1e-15);
        std::size_t k = 0;
        for (const NamedTensor& p : all_of(net)) {
          const Values v = make_values(p.tensor.shape().count(), static_cast<unsigned>(10 * t + std::ssize(p.name)));
          Tensor(p.tensor).assign(to_tensor(v, p.tensor.shape(), Kind::plain, p.tensor.dtype()).to(device));
          for (std::size_t i = 0; i < v.size(); ++i) { wants[k][i] = decay * wants[k][i] + (1 - decay) * v[i]; }
          ++k;
        }
        average.submit({.squares = {}, .names = {}, .number = t});
      }
      const std::vector<Values> got = values_of(all_of(average.net()));
      double error = 0;
      for (std::size_t k = 0; k < wants.size(); ++k) {
        for (std::size_t i = 0; i < wants[k].size(); ++i) {
          error = std::max(error, std::abs(got[k][i] - wants[k][i]));
        }
      }
      CHECK(error <= (dtype == DType::f64 ? 1e-14 : 2e-6));

      const Tensor bad = Tensor::of<double>({2}, Values{1.0, std::numeric_limits<double>::quiet_NaN()}).to(device);
      average.submit({.squares = bad, .names = {}, .number = 9});
      CHECK(values_of(all_of(average.net())) == got);
    }
  }
}

TEST_CASE("an average of the weights refuses a decay that is none", "[optimizer]") {
  const UNet3d net(tiny(), DType::f32, 3);
  CHECK_THROWS_WITH(WeightAverage(net, 1), ContainsSubstring("decay is 1"));
  CHECK_THROWS_WITH(WeightAverage(net, std::nan("")), ContainsSubstring("decay is nan"));
}

}  // namespace vox::test
