#include <cmath>
#include <limits>

#include "engine/ops.h"
#include "engine/tape.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

const std::vector<double> kComputedWeights{0.26, 22.53, 22.53, 26.21};
const std::vector<double> kQuarters(4, 0.25);

/// One case of four voxels and four classes, one row per class.
const Shape kVoxels{1, 4, 1, 2, 2};
const Values kProbabilities{0.70, 0.10, 0.25, 0.05,   // class 0 at the four voxels
                            0.10, 0.60, 0.25, 0.05,   // class 1
                            0.10, 0.10, 0.25, 0.10,   // class 2
                            0.10, 0.20, 0.25, 0.80};  // class 3
const Values kLabels{0, 1, 0, 3};                     // class 2 is absent

Tensor volume(const Values& v, DType dtype = DType::f64, const Shape& shape = kVoxels) {
  return to_tensor(v, shape, Kind::volume, dtype);
}
Tensor labels(const Values& v, const Shape& shape = {1, 1, 2, 2}) {
  return to_tensor(v, shape, Kind::labels, DType::f64);
}
Values one_hot(const Values& truth, std::int64_t classes) {
  Values p;
  for (std::int64_t c = 0; c < classes; ++c) {
    for (const double label : truth) { p.push_back(label == static_cast<double>(c) ? 1 : 0); }
  }
  return p;
}
bool near(double got, double want) {
  return std::isfinite(want) && std::abs(got - want) <= 1e-7 * std::max(1.0, std::abs(want));
}

}  // namespace

TEST_CASE("the losses match their formulas on fixed vectors", "[losses]") {
  const double s = 1e-5;
  // 2 TP + s over sum p + sum y + s, class by class
  const double d0 = (2 * (0.70 + 0.25) + s) / (0.70 + 0.10 + 0.25 + 0.05 + 2 + s);
  const double d1 = (2 * 0.60 + s) / (0.10 + 0.60 + 0.25 + 0.05 + 1 + s);
  const double d2 = s / (0.10 + 0.10 + 0.25 + 0.10 + s);
  const double d3 = (2 * 0.80 + s) / (0.10 + 0.20 + 0.25 + 0.80 + 1 + s);
  const auto focal = [](double p) { return 0.25 * std::pow(1 - p, 2) * -std::log(p); };
  const double f = focal(0.70) + focal(0.60) + focal(0.25) + focal(0.80);
  const double weighted_f = 0.26 * (focal(0.70) + focal(0.25)) + 22.53 * focal(0.60) + 26.21 * focal(0.80);
  for (const DType dtype : {DType::f64, DType::f32}) {
    const Tensor p = volume(kProbabilities, dtype);
    const Tensor y = labels(kLabels);
    CHECK(near(dice_loss(p, y).item(), 1 - (d0 + d1 + d2 + d3) / 4));
    CHECK(near(dice_loss(p, y, {.class_weights = kQuarters}).item(), 1 - 0.25 * (d0 + d1 + d2 + d3) / 4));
    CHECK(near(dice_loss(p, y, {.class_weights = kComputedWeights}).item(),
               1 - (0.26 * d0 + 22.53 * d1 + 22.53 * d2 + 26.21 * d3) / 4));
    CHECK(near(dice_loss(p, y, {.background = Background::exclude}).item(), 1 - (d1 + d2 + d3) / 3));
    CHECK(near(focal_loss(p, y).item(), f / 16));
    CHECK(near(focal_loss(p, y, {.mean = FocalMean::voxels}).item(), f / 4));
    CHECK(near(focal_loss(p, y, {.class_weights = kComputedWeights}).item(), weighted_f / 16));
    CHECK(near(focal_loss(p, y, {.background = Background::exclude}).item(), (focal(0.60) + focal(0.80)) / 12));
  }
}

TEST_CASE("a perfect prediction scores what the weights leave of 1", "[losses]") {
  const Values truth{0, 1, 2, 3};
  const Tensor p = volume(one_hot(truth, 4));
  CHECK(near(dice_loss(p, labels(truth)).item(), 0));
  CHECK(near(dice_loss(p, labels(truth), {.class_weights = kQuarters}).item(), 0.75));
  CHECK(near(dice_loss(p, labels(truth), {.class_weights = kComputedWeights}).item(), -16.8825));
  CHECK(focal_loss(p, labels(truth)).item() <= 1e-20);  // clipped: not quite 0
}

TEST_CASE("a uniform softmax has a focal loss of 0.0487 and a cross entropy of log 4", "[losses]") {
  const Tensor p = softmax(volume(Values(16, 3.25)));
  CHECK(near(focal_loss(p, labels(kLabels)).item(), 0.25 * 0.5625 * std::log(4.0) / 4));
  CHECK(focal_loss(p, labels(kLabels)).item() == Approx(0.0487).margin(5e-5));
  CHECK(near(cross_entropy(volume(Values(16, 3.25)), labels(kLabels)).item(), std::log(4.0)));
}

TEST_CASE("a class that is neither there nor predicted scores 1 in dice, one that is only predicted nearly 0",
          "[losses]") {
  const Values background(4, 0.0);
  const Tensor all_background = volume(one_hot(background, 4));
  CHECK(near(dice_loss(all_background, labels(background)).item(), 0));
  CHECK(near(dice_loss(all_background, labels(background), {.background = Background::exclude}).item(), 0));

  const Tensor one_wrong = volume(one_hot({0, 0, 0, 2}, 4));  // class 2 predicted, not there
  const double s = 1e-5;
  CHECK(near(dice_loss(one_wrong, labels(background)).item(), 1 - ((6 + s) / (7 + s) + 1 + s / (1 + s) + 1) / 4));
}

TEST_CASE("predicting background everywhere is punished by the classes that are missed", "[losses]") {
  const Tensor p = volume(one_hot(Values(4, 0.0), 4));
  const double s = 1e-5;
  const double d0 = (2 * 2 + s) / (4 + 2 + s);
  const double missed = s / (1 + s);
  CHECK(near(dice_loss(p, labels(kLabels)).item(), 1 - (d0 + missed + 1 + missed) / 4));
  const double worst = 0.25 * std::pow(1 - 1e-7, 2) * -std::log(1e-7);  // p = 0 is clipped
  const double best = 0.25 * 1e-14 * -std::log(1 - 1e-7);
  CHECK(near(focal_loss(p, labels(kLabels)).item(), (2 * worst + 2 * best) / 16));
}

TEST_CASE("focal loss has no gradient where it clips, and one everywhere else", "[losses]") {
  const Tensor p = volume({0.0, 1.0, 0.5, 0.5, 1.0, 0.0, 0.5, 0.5}, DType::f64, {1, 2, 1, 2, 2}).requires_grad();
  backward(focal_loss(p, labels({0, 0, 0, 1})));
  const Values g = p.grad().to_doubles();
  CHECK(g[0] == 0);  // p = 0
  CHECK(g[1] == 0);  // p = 1
  CHECK(g[2] < 0);
  CHECK(g[3] == 0);  // the label is another class
  CHECK(g[7] < 0);
}

TEST_CASE("sums over the batch and over each case differ in dice and cross entropy as their formulas do", "[losses]") {
  const Shape two{2, 2, 1, 1, 2};
  const Tensor p = volume({0.9, 0.8, 0.1, 0.2, 0.3, 0.6, 0.7, 0.4}, DType::f64, two);
  const Tensor y = labels({0, 0, 1, 0}, {2, 1, 1, 2});
  const double s = 1e-5;
  const double first = ((2 * 1.7 + s) / (1.7 + 2 + s) + s / (0.3 + s)) / 2;
  const double second = ((2 * 0.6 + s) / (0.9 + 1 + s) + (2 * 0.7 + s) / (1.1 + 1 + s)) / 2;
  const double batch = ((2 * 2.3 + s) / (2.6 + 3 + s) + (2 * 0.7 + s) / (1.4 + 1 + s)) / 2;
  CHECK(near(dice_loss(p, y, {.sums = Sums::per_case}).item(), 1 - (first + second) / 2));
  CHECK(near(dice_loss(p, y).item(), 1 - batch));

  const std::vector<double> weights{1, 3};
  const auto term = [](double a, double b) { return std::log(1 + std::exp(b - a)); };  // -log softmax of a
  const double first_mean = (term(0.9, 0.1) + term(0.8, 0.2)) / 2;
  const double second_mean = (3 * term(0.7, 0.3) + term(0.6, 0.4)) / 4;
  CHECK(near(cross_entropy(p, y, {.class_weights = weights, .sums = Sums::per_case}).item(),
             (first_mean + second_mean) / 2));
  CHECK(near(cross_entropy(p, y, {.class_weights = weights}).item(), (first_mean * 2 + second_mean * 4) / 6));
}

TEST_CASE("cross entropy and softmax bear logits that exp() does not", "[losses]") {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    const Tensor x = volume({1024, -1024, 0, 0}, dtype, {1, 4, 1, 1, 1});
    CHECK(cross_entropy(x, labels({0}, {1, 1, 1, 1})).item() == 0);
    CHECK(cross_entropy(x, labels({1}, {1, 1, 1, 1})).item() == 2048);
    CHECK(softmax(x).to_doubles() == Values{1, 0, 0, 0});
  }
}

TEST_CASE("cross entropy without a voxel that counts is 0, and so is its gradient", "[losses]") {
  const Tensor x = volume(kProbabilities).requires_grad();
  const Tensor loss = cross_entropy(x, labels(Values(4, 0.0)), {.background = Background::exclude});
  CHECK(loss.item() == 0);
  backward(loss);
  CHECK(x.grad().to_doubles() == Values(16, 0.0));
}

TEST_CASE("NaN in the prediction shows in every loss", "[losses]") {
  Values v = kProbabilities;
  v[5] = std::numeric_limits<double>::quiet_NaN();  // class 1 at voxel 1, its label
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    CHECK(std::isnan(dice_loss(volume(v, dtype), labels(kLabels)).item()));
    CHECK(std::isnan(focal_loss(volume(v, dtype), labels(kLabels)).item()));
    CHECK(std::isnan(cross_entropy(volume(v, dtype), labels(kLabels)).item()));
    CHECK(std::isnan(softmax(volume(v, dtype)).to_doubles()[1]));
  }
}

}  // namespace vox::test
