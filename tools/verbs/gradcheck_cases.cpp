#include "tools/verbs/gradcheck_cases.h"

#include <algorithm>
#include <array>

#include "kernels/base/check.h"

namespace vox {
namespace {

/// A number per element, the same on every machine. `place` keeps two inputs apart.
double random_unit(std::int64_t element, std::uint32_t place) {
  return unit(random4({.seed = 1, .step = 0, .place = place}, static_cast<std::uint64_t>(element)).v[0]);
}

std::vector<double> uniform(const Shape& shape, double low, double high, std::uint32_t place) {
  std::vector<double> v(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = low + (high - low) * random_unit(static_cast<std::int64_t>(i), place);
  }
  return v;
}

Tensor volume(const Shape& shape, std::uint32_t place = 0) {
  return Tensor::volume_of<double>(shape, uniform(shape, -2, 2, place)).requires_grad();
}
/// No value closer to 0 than 1/8: for functions with a kink there.
Tensor volume_off_zero(const Shape& shape) {
  std::vector<double> v = uniform(shape, -2, 2, 0);
  for (double& x : v) { x += x < 0 ? -0.125 : 0.125; }
  return Tensor::volume_of<double>(shape, v).requires_grad();
}
/// No two values closer than 1/64: for functions that compare.
Tensor volume_of_distinct(const Shape& shape) {
  std::vector<double> v(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < v.size(); ++i) { v[i] = static_cast<double>(i * 101 % 257) / 64.0 - 2; }
  return Tensor::volume_of<double>(shape, v).requires_grad();
}
Tensor probabilities(const Shape& shape) {
  return Tensor::volume_of<double>(shape, uniform(shape, 0.1, 0.9, 0)).requires_grad();
}
Tensor parameter(const Shape& shape, std::uint32_t place) {
  return Tensor::of<double>(shape, uniform(shape, -1, 1, place)).requires_grad();
}
Tensor statistics(std::int64_t channels, double low, double high, std::uint32_t place) {
  return Tensor::of<double>({channels}, uniform({channels}, low, high, place));
}
Tensor labels(const Shape& shape, std::int64_t classes) {
  std::vector<std::uint8_t> v(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double draw = random_unit(static_cast<std::int64_t>(i), 9);
    v[i] = static_cast<std::uint8_t>(draw * static_cast<double>(classes));
  }
  return Tensor::of<std::uint8_t>(shape, v);
}

using Inputs = std::vector<Tensor>;

std::vector<GradcheckCase> element_wise() {
  const Shape s{2, 5, 3, 2, 3};
  const DropoutOptions half{.p = 0.5, .key = {.seed = 3, .step = 1, .place = 4}};
  return {
      {Op::add, "", {"a", "b"}, {volume(s, 1), volume(s, 2)}, [](const Inputs& in) { return add(in[0], in[1]); }},
      {Op::mul, "", {"a", "b"}, {volume(s, 1), volume(s, 2)}, [](const Inputs& in) { return mul(in[0], in[1]); }},
      {Op::scale, "", {"x"}, {volume(s)}, [](const Inputs& in) { return scale(in[0], -1.5); }},
      {Op::sum, "", {"x"}, {volume(s)}, [](const Inputs& in) { return sum(in[0]); }},
      {Op::mean, "", {"x"}, {volume(s)}, [](const Inputs& in) { return mean(in[0]); }},
      {Op::cast, "f64", {"x"}, {volume(s)}, [](const Inputs& in) { return cast(in[0], DType::f64); }},
      {Op::relu, "", {"x"}, {volume_off_zero(s)}, [](const Inputs& in) { return relu(in[0]); }},
      {Op::leaky_relu, "", {"x"}, {volume_off_zero(s)}, [](const Inputs& in) { return leaky_relu(in[0], 0.1); }},
      {Op::dropout, "", {"x"}, {volume(s)}, [half](const Inputs& in) { return dropout(in[0], half); }},
      {Op::concat,
       "",
       {"a", "b"},
       {volume({2, 3, 2, 3, 2}, 1), volume({2, 12, 2, 3, 2}, 2)},
       [](const Inputs& in) { return concat(in[0], in[1]); }},
      {Op::max_pool3d,
       "",
       {"x"},
       {volume_of_distinct({1, 3, 4, 5, 3})},
       [](const Inputs& in) { return max_pool3d(in[0]); }},
  };
}

std::vector<GradcheckCase> layers() {
  const auto convolution = [](const Conv3dOptions& options) -> GradcheckFunction {
    return [options](const Inputs& in) { return conv3d(in[0], in[1], in[2], options); };
  };
  const GradcheckFunction joined = [](const Inputs& in) { return conv3d_concat(in[0], in[1], in[2], in[3]); };
  const auto transposed = [](const ConvTranspose3dOptions& options) -> GradcheckFunction {
    return [options](const Inputs& in) { return conv_transpose3d(in[0], in[1], in[2], options); };
  };
  const auto norm = [](BatchNormMode mode) -> GradcheckFunction {
    return [mode](const Inputs& in) { return batch_norm(in[0], in[1], in[2], in[3], in[4], {.mode = mode}); };
  };
  const auto norm_relu = [](BatchNormMode mode) -> GradcheckFunction {
    return [mode](const Inputs& in) {
      const DropoutOptions drop{.p = 0.25, .key = {.seed = 5, .step = 2, .place = 1}};
      return batch_norm_relu(in[0], in[1], in[2], in[3], in[4], {.mode = mode}, drop);
    };
  };
  const GradcheckFunction whole_layer = [](const Inputs& in) {
    const DropoutOptions drop{.p = 0.25, .key = {.seed = 5, .step = 2, .place = 1}};
    return conv3d_batch_norm_relu(in[0], in[1], in[2], in[3], in[4], in[5], in[6], {}, drop);
  };
  const std::vector<std::string> conv_names{"x", "weight", "bias"};
  const std::vector<std::string> norm_names{"x", "gamma", "beta", "running_mean", "running_var"};
  const Inputs norm_inputs{volume({2, 5, 2, 3, 2}), parameter({5}, 1), parameter({5}, 2), statistics(5, -1, 1, 3),
                           statistics(5, 0.5, 2, 4)};
  const Inputs near_zero{volume_off_zero({2, 5, 2, 3, 2}), statistics(5, 0.5, 1, 1).requires_grad(),
                         statistics(5, -0.02, 0.02, 2).requires_grad(), statistics(5, -0.05, 0.05, 3),
                         statistics(5, 0.5, 2, 4)};
  return {
      {Op::conv3d,
       "3x3x3",
       conv_names,
       {volume({1, 3, 3, 4, 5}), parameter({5, 3, 3, 3, 3}, 1), parameter({5}, 2)},
       convolution({})},
      {Op::conv3d,
       "stride 2",
       conv_names,
       {volume({2, 3, 4, 5, 3}), parameter({2, 3, 3, 3, 3}, 1), parameter({2}, 2)},
       convolution({.stride = 2})},
      {Op::conv3d,
       "1x1x1",
       conv_names,
       {volume({2, 9, 2, 3, 3}), parameter({4, 9, 1, 1, 1}, 1), parameter({4}, 2)},
       convolution({})},
      {Op::conv3d_concat,
       "8 and 3 channels",
       {"a", "b", "weight", "bias"},
       {volume({2, 8, 3, 2, 3}, 3), volume({2, 3, 3, 2, 3}, 4), parameter({3, 11, 3, 3, 3}, 1), parameter({3}, 2)},
       joined},
      {Op::conv3d_concat,
       "3 and 9 channels",
       {"a", "b", "weight", "bias"},
       {volume({1, 3, 2, 3, 3}, 3), volume({1, 9, 2, 3, 3}, 4), parameter({2, 12, 3, 3, 3}, 1), parameter({2}, 2)},
       joined},
      {Op::conv_transpose3d,
       "2x2x2 stride 2",
       conv_names,
       {volume({2, 5, 2, 3, 2}), parameter({5, 3, 2, 2, 2}, 1), parameter({3}, 2)},
       transposed({})},
      {Op::conv_transpose3d,
       "3x3x3 stride 2",
       conv_names,
       {volume({1, 3, 2, 3, 2}), parameter({3, 2, 3, 3, 3}, 1), parameter({2}, 2)},
       transposed({.stride = 2, .padding = 1, .output_padding = 1})},
      {Op::batch_norm, "training", norm_names, norm_inputs, norm(BatchNormMode::training)},
      {Op::batch_norm, "inference", norm_names, norm_inputs, norm(BatchNormMode::inference)},
      {Op::conv3d_batch_norm_relu,
       "8 and 3 channels, dropout",
       {"a", "b", "weight", "gamma", "beta", "running_mean", "running_var"},
       {volume({2, 8, 3, 2, 3}, 3), volume({2, 3, 3, 2, 3}, 4), parameter({3, 11, 3, 3, 3}, 1),
        statistics(3, 0.5, 1, 2).requires_grad(), statistics(3, 5, 6, 3).requires_grad(), statistics(3, -1, 1, 4),
        statistics(3, 0.5, 2, 5)},
       whole_layer},
      {Op::batch_norm_relu, "training, dropout", norm_names, near_zero, norm_relu(BatchNormMode::training)},
      {Op::batch_norm_relu, "inference, dropout", norm_names, near_zero, norm_relu(BatchNormMode::inference)},
  };
}

std::vector<GradcheckCase> losses() {
  const Shape s{2, 4, 3, 2, 3};
  const Tensor truth = labels({2, 3, 2, 3}, 4);
  const std::vector<double> weights{0.25, 2, 3, 0.5};
  const std::vector<std::string> names{"probabilities", "labels"};
  const DiceLossOptions dice{.class_weights = weights, .background = Background::exclude, .sums = Sums::per_case};
  const FocalLossOptions focal{.gamma = 1.5, .class_weights = weights, .background = Background::exclude};
  const CrossEntropyOptions entropy{
      .class_weights = weights, .background = Background::exclude, .sums = Sums::per_case};
  const DiceFocalLossOptions all{.gamma = 1.5,
                                 .class_weights = weights,
                                 .background = Background::exclude,
                                 .sums = Sums::per_case,
                                 .cross_entropy = 0.5};
  return {
      {Op::softmax, "", {"x"}, {volume(s)}, [](const Inputs& in) { return softmax(in[0]); }},
      {Op::softmax, "9 channels", {"x"}, {volume({1, 9, 1, 2, 2})}, [](const Inputs& in) { return softmax(in[0]); }},
      {Op::dice_loss, "", names, {probabilities(s), truth}, [](const Inputs& in) { return dice_loss(in[0], in[1]); }},
      {Op::dice_loss,
       "weighted, no background, per case",
       names,
       {probabilities(s), truth},
       [dice](const Inputs& in) { return dice_loss(in[0], in[1], dice); }},
      {Op::focal_loss, "", names, {probabilities(s), truth}, [](const Inputs& in) { return focal_loss(in[0], in[1]); }},
      {Op::focal_loss,
       "weighted, no background",
       names,
       {probabilities(s), truth},
       [focal](const Inputs& in) { return focal_loss(in[0], in[1], focal); }},
      {Op::cross_entropy,
       "",
       {"logits", "labels"},
       {volume(s), truth},
       [](const Inputs& in) { return cross_entropy(in[0], in[1]); }},
      {Op::cross_entropy,
       "weighted, no background, per case",
       {"logits", "labels"},
       {volume(s), truth},
       [entropy](const Inputs& in) { return cross_entropy(in[0], in[1], entropy); }},
      {Op::dice_focal_loss,
       "",
       {"logits", "labels"},
       {volume(s), truth},
       [](const Inputs& in) { return dice_focal_loss(in[0], in[1]); }},
      {Op::dice_focal_loss,
       "and cross entropy, weighted, no background, per case",
       {"logits", "labels"},
       {volume(s), truth},
       [all](const Inputs& in) { return dice_focal_loss(in[0], in[1], all); }},
  };
}

}  // namespace

std::vector<GradcheckCase> gradcheck_cases() {
  std::vector<GradcheckCase> cases;
  for (auto* const part : {element_wise, layers, losses}) { std::ranges::move(part(), std::back_inserter(cases)); }
  return cases;
}

}  // namespace vox
