#include <cmath>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

Values reference(const Shape& x, const CrossEntropyOptions& options, const std::vector<Values>& in) {
  const std::int64_t groups = options.sums == Sums::batch ? 1 : x[0];
  Values loss(static_cast<std::size_t>(groups));
  Values weights(static_cast<std::size_t>(groups));
  for (std::int64_t i = 0; i < x[0] * x.voxels(); ++i) {
    const std::int64_t n = i / x.voxels();
    const auto label = static_cast<std::int64_t>(in[1][static_cast<std::size_t>(i)]);
    if (label == 0 && options.background == Background::exclude) { continue; }
    const auto logit = [&](std::int64_t c) {
      return in[0][static_cast<std::size_t>((n * x[1] + c) * x.voxels() + i % x.voxels())];
    };
    double sum = 0;
    for (std::int64_t c = 0; c < x[1]; ++c) { sum += std::exp(logit(c)); }
    const double weight = options.class_weights.empty() ? 1 : options.class_weights[static_cast<std::size_t>(label)];
    const auto group = static_cast<std::size_t>(groups == 1 ? 0 : n);
    loss[group] -= weight * std::log(std::exp(logit(label)) / sum);
    weights[group] += weight;
  }
  double total = 0;
  for (std::size_t g = 0; g < loss.size(); ++g) { total += weights[g] == 0 ? 0 : loss[g] / weights[g]; }
  return {total / static_cast<double>(groups)};
}

OpCase at(const Shape& x, const CrossEntropyOptions& options = {}) {
  return {.op = Op::cross_entropy,
          .label = "cross_entropy " + x.str(),
          .inputs = {{.shape = x},
                     {.shape = {x[0], x[2], x[3], x[4]},
                      .kind = Kind::labels,
                      .make = [c = x[1]](std::int64_t count, unsigned seed) { return make_labels(count, c, seed); }}},
          .apply = [options](const auto& in) { return cross_entropy(in[0], in[1], options); },
          .reference = [x, options](const auto& in) { return reference(x, options, in); },
          .terms = x[0] * x.voxels() * x[1],
          .grad_terms = 4 * x[1],
          .conditioning = 4};
}

void call(std::uint8_t label, const CrossEntropyOptions& options) {
  const Tensor x = Tensor::zeros({1, 3, 2, 1, 1}, DType::f32, Device::cpu, Layout::blocked);
  static_cast<void>(
      cross_entropy(x, Tensor::of<std::uint8_t>({1, 2, 1, 1}, std::vector<std::uint8_t>{0, label}), options));
}
void no_class_left() {
  const Tensor x = Tensor::zeros({1, 1, 1, 1, 1}, DType::f32, Device::cpu, Layout::blocked);
  const Tensor labels = Tensor::zeros({1, 1, 1, 1}, DType::u8);
  static_cast<void>(cross_entropy(x, labels, {.background = Background::exclude}));
}

const Register kCases({at({1, 2, 1, 1, 1}), at({2, 4, 3, 4, 5}),
                       at({2, 4, 2, 3, 3}, {.class_weights = {0.25, 2, 3, 0.5}}),
                       at({3, 3, 2, 1, 5}, {.background = Background::exclude, .sums = Sums::per_case}),
                       at({3, 3, 3, 3, 5}, {.background = Background::exclude, .sums = Sums::per_case}),
                       at({2, 8, 2, 3, 7}), at({1, 6, 3, 3, 5}, {.class_weights = {0, 1, 2, 0.5, 3, 1}}),
                       at({1, 12, 1, 4, 3}), at({2, 33, 1, 5, 4}, {.sums = Sums::per_case})},
                      {{"label beyond the classes", [] { call(255, {}); },
                        "cross_entropy: label 255 at [0,1,0,0], wants less than 3, the number of classes"},
                       {"no class left", no_class_left, "cross_entropy: without background no class is left of 1"},
                       {"a weight that is infinite",
                        [] {
                          call(0, {.class_weights = {1, HUGE_VAL, 1}});
                        },
                        "cross_entropy: class_weights[1] is inf, wants 0 or more"}});

}  // namespace
}  // namespace vox::test
