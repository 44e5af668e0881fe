// How the rounding errors of f32 and bf16 grow over the whole network: each operator's result, and the gradient that
// arrives at it, against the same network in f64.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "engine/tape.h"
#include "model/loss.h"
#include "model/unet3d.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

/// What each operator made, in the order in which they ran, and the gradients that came back.
struct Ran {
  std::string name;
  Values result;
  Values gradient = {};
};

class Recorder : public TapeListener {
 public:
  Recorder() : before_(set_tape_listener(this)) {}
  ~Recorder() override { set_tape_listener(before_); }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  Recorder(Recorder&&) = delete;
  Recorder& operator=(Recorder&&) = delete;

  void ran_forward(Op op, const Tensor& y, std::span<const Tensor> /*inputs*/, std::uint64_t number) override {
    at_[number] = ran.size();
    ran.push_back({fmt::format("{} {}", name(op), y.shape().str()), y.to_doubles()});
  }
  void gradient_arrived(std::uint64_t number, const Tensor& dy) override {
    ran[at_.at(number)].gradient = dy.to_doubles();
  }
  void ran_backward(std::uint64_t /*number*/) override {}

  std::vector<Ran> ran;

 private:
  TapeListener* before_;
  std::map<std::uint64_t, std::size_t> at_;
};

/// |a - b| / |b|, by the sum of squares.
double distance(const Values& a, const Values& b) {
  if (a.size() != b.size() || b.empty()) { return std::numeric_limits<double>::infinity(); }
  double difference = 0;
  double all = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    all += b[i] * b[i];
  }
  return std::sqrt(difference / all);
}

/// Rounded to dtype: the same numbers for both networks.
Values rounded(const Values& values, DType dtype) {
  return to_tensor(values, Shape{std::ssize(values)}, Kind::plain, dtype).to_doubles();
}

std::vector<Ran> run(const UNetConfig& config, DType dtype, DType of_inputs) {
  UNet3d net(config, dtype, 7);
  net.set_fusion(Fusion::off);  // each operator by itself
  const UNet3d drawn(config, DType::f32, 7);
  for (std::size_t p = 0; p < net.parameters().size(); ++p) {
    const Tensor& from = drawn.parameters()[p].tensor;
    Tensor(net.parameters()[p].tensor)
        .assign(to_tensor(rounded(from.to_doubles(), of_inputs), from.shape(), Kind::plain,
                          net.parameters()[p].tensor.dtype()));
  }
  const Shape shape{2, config.in_channels, 32, 32, 32};
  const Shape of_labels{2, 32, 32, 32};
  const Tensor x = to_tensor(rounded(make_values(shape.count(), 1), of_inputs), shape, Kind::volume, dtype);
  const Tensor labels = to_tensor(make_labels(of_labels.count(), config.classes, 2), of_labels, Kind::labels, dtype);
  Recorder recorder;
  backward(segmentation_loss(net.forward(x, {.mode = UNetMode::training, .seed = 3}), labels, {}));
  return std::move(recorder.ran);
}

int sign(double v) { return (v > 0) - (v < 0); }
bool same_signs(const Values& a, const Values& b) {
  return std::ranges::equal(a, b, [](double x, double y) { return sign(x) == sign(y); });
}
bool same_zeros(const Values& a, const Values& b) {
  return std::ranges::equal(a, b, [](double x, double y) { return (x == 0) == (y == 0); });
}

/// Largest distances, in units of half a last bit of 1.
struct Growth {
  double forward = 0;
  double backward = 0;  ///< while no activation has another sign and no maximum another place
  double flipped = 0;   ///< the gradients behind such a one
};

/// What is allowed of a number that has gone through so many operators: a gradient, through all and back.
double allowed(DType dtype, std::size_t operators) {
  const auto n = static_cast<double>(operators);
  return dtype == DType::f32 ? 4 + 2 * n : 2 + n / 2;
}

Growth compare(const std::vector<Ran>& got, const std::vector<Ran>& truth, DType dtype) {
  const double unit = dtype == DType::f32 ? 0x1p-24 : 0x1p-9;
  Growth growth;
  REQUIRE(got.size() == truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double apart = distance(got[i].result, truth[i].result) / unit;
    growth.forward = std::max(growth.forward, apart);
    INFO("result of operator " << i << ", " << truth[i].name);
    CHECK(apart <= allowed(dtype, i));
  }
  bool flips = false;
  for (std::size_t behind = truth.size(); behind > 0; --behind) {
    const std::size_t i = behind - 1;
    const bool activates = truth[i].name.starts_with("relu") || truth[i].name.starts_with("leaky_relu");
    if (!truth[i].gradient.empty()) {
      flips = flips || !same_zeros(got[i].gradient, truth[i].gradient);
      const double apart = distance(got[i].gradient, truth[i].gradient) / unit;
      double& most = flips ? growth.flipped : growth.backward;
      most = std::max(most, apart);
      INFO("gradient of operator " << i << ", " << truth[i].name << (flips ? ", behind a flip" : ""));
      if (flips) {
        CHECK(apart * unit <= (dtype == DType::f32 ? 1e-2 : 0.5));
      } else {
        CHECK(apart <= allowed(dtype, 2 * truth.size() - i));
      }
    }
    flips = flips || (activates && !same_signs(got[i].result, truth[i].result));
  }
  return growth;
}

}  // namespace

TEST_CASE("rounding errors grow with the number of operators, no faster", "[net][precision]") {
  for (const char* preset : {"seed", "tutorial", "nnunet"}) {
    const UNetConfig config = with_widths(unet_preset(preset), {8, 16, 16, 32});
    for (const DType dtype : {DType::f32, DType::bf16}) {
      INFO(preset << ", " << name(dtype));
      const std::vector<Ran> truth = run(config, DType::f64, dtype);
      const Growth growth = compare(run(config, dtype, dtype), truth, dtype);
      SUCCEED(fmt::format("{} {}: {} operators, results {:.1f}, gradients {:.1f}, behind a flip {:.1f} units", preset,
                          name(dtype), truth.size(), growth.forward, growth.backward, growth.flipped));
      CHECK(growth.forward > 0);  // it is another type
    }
  }
}

}  // namespace vox::test
