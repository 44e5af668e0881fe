#include <algorithm>
#include <cmath>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

struct Truth {
  Shape shape;
  Values p;  ///< softmax of the logits
  Values labels;

  [[nodiscard]] double at(std::int64_t n, std::int64_t c, std::int64_t v) const {
    return p[static_cast<std::size_t>((n * shape[1] + c) * shape.voxels() + v)];
  }
  [[nodiscard]] bool is(std::int64_t n, std::int64_t v, std::int64_t c) const {
    return labels[static_cast<std::size_t>(n * shape.voxels() + v)] == static_cast<double>(c);
  }
};

Truth truth_of(const Shape& shape, const std::vector<Values>& in) {
  Truth t{.shape = shape, .p = in[0], .labels = in[1]};
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t v = 0; v < shape.voxels(); ++v) {
      double sum = 0;
      const auto element = [&](std::int64_t c) {
        return static_cast<std::size_t>((n * shape[1] + c) * shape.voxels() + v);
      };
      for (std::int64_t c = 0; c < shape[1]; ++c) { sum += std::exp(in[0][element(c)]); }
      for (std::int64_t c = 0; c < shape[1]; ++c) { t.p[element(c)] = std::exp(in[0][element(c)]) / sum; }
    }
  }
  return t;
}

/// The three losses over the cases [begin,end), from their formulas, class by class and voxel by voxel.
double group_loss(const Truth& t, const DiceFocalLossOptions& o, std::int64_t begin, std::int64_t end) {
  const std::int64_t first = o.background == Background::include ? 0 : 1;
  const std::int64_t dice_first = o.dice_background == Background::include ? first : 1;
  const auto voxels = static_cast<double>((end - begin) * t.shape.voxels());
  double scores = 0;
  double focal = 0;
  double entropy = 0;
  double entropy_weight = 0;
  for (std::int64_t c = first; c < t.shape[1]; ++c) {
    const double weight = o.class_weights.empty() ? 1 : o.class_weights[static_cast<std::size_t>(c)];
    double tp = 0;
    double sum_p = 0;
    double sum_y = 0;
    for (std::int64_t n = begin; n < end; ++n) {
      for (std::int64_t v = 0; v < t.shape.voxels(); ++v) {
        const double p = t.at(n, c, v);
        sum_p += p;
        if (!t.is(n, v, c)) { continue; }
        tp += p;
        sum_y += 1;
        const double q = std::clamp(p, o.clip, 1 - o.clip);
        focal -= weight * o.alpha * std::pow(1 - q, o.gamma) * std::log(q);
        entropy -= weight * std::log(p);
        entropy_weight += weight;
      }
    }
    if (c >= dice_first) { scores += weight * (2 * tp + o.smooth) / (sum_p + sum_y + o.smooth); }
  }
  const auto classes = static_cast<double>(t.shape[1] - first);
  return o.dice * (1 - scores / static_cast<double>(t.shape[1] - dice_first)) +
         o.focal * focal / (voxels * (o.mean == FocalMean::voxels ? 1 : classes)) +
         o.cross_entropy * (entropy_weight == 0 ? 0 : entropy / entropy_weight);
}

Values reference(const Shape& shape, const DiceFocalLossOptions& o, const std::vector<Values>& in) {
  const Truth t = truth_of(shape, in);
  if (o.sums == Sums::batch) { return {group_loss(t, o, 0, shape[0])}; }
  double sum = 0;
  for (std::int64_t n = 0; n < shape[0]; ++n) { sum += group_loss(t, o, n, n + 1); }
  return {sum / static_cast<double>(shape[0])};
}

OpCase at(const Shape& x, const DiceFocalLossOptions& options = {}) {
  return {.op = Op::dice_focal_loss,
          .label = "dice_focal_loss " + x.str(),
          .inputs = {{.shape = x},
                     {.shape = {x[0], x[2], x[3], x[4]},
                      .kind = Kind::labels,
                      .make = [c = x[1]](std::int64_t count, unsigned seed) { return make_labels(count, c, seed); }}},
          .apply = [options](const auto& in) { return dice_focal_loss(in[0], in[1], options); },
          .reference = [x, options](const auto& in) { return reference(x, options, in); },
          .terms = x[0] * x.voxels() * x[1],
          .grad_terms = 4 * x[0] * x.voxels(),
          .conditioning = 4};
}

void call(std::int64_t classes, std::uint8_t label, const DiceFocalLossOptions& options) {
  const Tensor x = Tensor::zeros({1, classes, 1, 1, 2}, DType::f32, Device::cpu, Layout::blocked);
  static_cast<void>(
      dice_focal_loss(x, Tensor::of<std::uint8_t>({1, 1, 1, 2}, std::vector<std::uint8_t>{label, 0}), options));
}

const Register kCases(
    {at({1, 2, 1, 1, 1}), at({2, 4, 3, 4, 5}), at({2, 4, 7, 11, 17}),
     at({2, 4, 2, 3, 3}, {.class_weights = {0.25, 2, 3, 0.5}, .background = Background::exclude}),
     at({3, 3, 3, 3, 5}, {.smooth = 0.5, .alpha = 1, .gamma = 0.5, .sums = Sums::per_case, .mean = FocalMean::voxels}),
     at({2, 8, 2, 3, 7}, {.gamma = 0, .cross_entropy = 1}), at({1, 6, 3, 3, 5}, {.gamma = 1.5, .cross_entropy = 1}),
     at({2, 4, 3, 3, 4}, {.class_weights = {0.25, 2, 3, 0.5}, .sums = Sums::per_case, .cross_entropy = 2}),
     at({2, 4, 2, 3, 3},
        {.class_weights = {0.25, 2, 3, 0.5}, .sums = Sums::per_case, .dice = 0, .focal = 0, .cross_entropy = 2}),
     at({2, 4, 1, 1, 2}, {.background = Background::exclude, .sums = Sums::per_case, .cross_entropy = 0.5}),
     at({2, 4, 3, 2, 3}, {.focal = 0}),
     at({2, 3, 3, 2, 3}, {.dice_background = Background::exclude, .focal = 0.5, .cross_entropy = 1}),
     at({2, 12, 1, 4, 3}, {.gamma = 1, .dice = 0.5, .focal = 3}),
     at({1, 33, 1, 5, 7}, {.background = Background::exclude, .cross_entropy = 1})},
    {{"label beyond the classes", [] { call(3, 7, {}); },
      "dice_focal_loss: label 7 at [0,0,0,0], wants less than 3, the number of classes"},
     {"smooth 0", [] { call(3, 0, {.smooth = 0}); }, "dice_focal_loss: smooth is 0, wants more than 0"},
     {"clip 0", [] { call(3, 0, {.clip = 0}); }, "dice_focal_loss: clip is 0, wants (0,0.5)"},
     {"gamma negative", [] { call(3, 0, {.gamma = -1}); }, "dice_focal_loss: gamma is -1, wants 0 or more"},
     {"alpha negative", [] { call(3, 0, {.alpha = -1}); }, "dice_focal_loss: alpha is -1, wants 0 or more"},
     {"one class without background", [] { call(1, 0, {.dice_background = Background::exclude}); },
      "dice_focal_loss: without background no class is left of 1"},
     {"no term", [] { call(3, 0, {.dice = 0, .focal = 0}); }, "dice_focal_loss: factors 0, 0 and 0 of dice, focal"},
     {"more classes than a byte counts", [] { call(257, 0, {}); }, "dice_focal_loss: 257 classes, wants at most 256"},
     {"two weights",
      [] {
        call(3, 0, {.class_weights = {1, 1}});
      },
      "dice_focal_loss: 2 class_weights, wants one for each of 3 classes"}});

}  // namespace
}  // namespace vox::test
