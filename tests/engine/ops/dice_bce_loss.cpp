#include <algorithm>
#include <cmath>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

/// What one region comes to over the cases [begin,end), voxel by voxel.
struct Counts {
  double p = 0;
  double hits = 0;
  double in_region = 0;
  double entropy = 0;
};

Counts count(const Shape& shape, const std::vector<Values>& in, const std::vector<int>& classes, std::int64_t region,
             std::int64_t begin, std::int64_t end) {
  Counts c;
  for (std::int64_t n = begin; n < end; ++n) {
    for (std::int64_t v = 0; v < shape.voxels(); ++v) {
      const double x = in[0][static_cast<std::size_t>((n * shape[1] + region) * shape.voxels() + v)];
      const auto label = static_cast<int>(in[1][static_cast<std::size_t>(n * shape.voxels() + v)]);
      const double y = std::ranges::find(classes, label) != classes.end() ? 1 : 0;
      const double p = 1 / (1 + std::exp(-x));
      c.p += p;
      c.hits += p * y;
      c.in_region += y;
      c.entropy -= y * std::log(p) + (1 - y) * std::log1p(-p);
    }
  }
  return c;
}

Values reference(const Shape& shape, const DiceBceLossOptions& o, const std::vector<Values>& in) {
  const std::int64_t step = o.sums == Sums::batch ? shape[0] : 1;
  double scores = 0;
  double entropy = 0;
  for (std::int64_t n = 0; n < shape[0]; n += step) {
    for (std::int64_t r = 0; r < shape[1]; ++r) {
      const Counts c = count(shape, in, o.regions[static_cast<std::size_t>(r)], r, n, n + step);
      scores += (2 * c.hits + o.smooth) / (c.p + c.in_region + o.smooth);
      entropy += c.entropy;
    }
  }
  const auto terms = static_cast<double>(shape[0] / step * shape[1]);
  return {o.dice * (1 - scores / terms) + o.bce * entropy / static_cast<double>(shape.count())};
}

OpCase at(const Shape& x, const DiceBceLossOptions& options = {}) {
  return {.op = Op::dice_bce_loss,
          .label = "dice_bce_loss " + x.str(),
          .inputs = {{.shape = x},
                     {.shape = {x[0], x[2], x[3], x[4]},
                      .kind = Kind::labels,
                      .make = [c = options.classes](std::int64_t count,
                                                    unsigned seed) { return make_labels(count, c, seed); }}},
          .apply = [options](const auto& in) { return dice_bce_loss(in[0], in[1], options); },
          .reference = [x, options](const auto& in) { return reference(x, options, in); },
          .terms = x[0] * x.voxels() * x[1],
          .grad_terms = 4 * x[0] * x.voxels(),
          .conditioning = 4};
}

void call(std::int64_t channels, std::uint8_t label, const DiceBceLossOptions& options) {
  const Tensor x = Tensor::zeros({1, channels, 1, 1, 2}, DType::f32, Device::cpu, Layout::blocked);
  static_cast<void>(
      dice_bce_loss(x, Tensor::of<std::uint8_t>({1, 1, 1, 2}, std::vector<std::uint8_t>{label, 0}), options));
}

const Register kCases(
    {at({1, 3, 1, 1, 1}), at({2, 3, 3, 4, 5}), at({2, 3, 7, 11, 17}),
     at({3, 3, 3, 3, 5}, {.smooth = 0.5, .sums = Sums::per_case, .dice = 2, .bce = 0.25}),
     at({2, 1, 2, 3, 3}, {.regions = {{1}}, .classes = 2}), at({1, 3, 3, 2, 3}, {.dice = 0}),
     at({1, 3, 3, 2, 3}, {.bce = 0}),
     at({2, 8, 2, 3, 7},
        {.regions = {{0}, {31}, {1, 2, 3}, {4, 5}, {6, 7, 8, 30}, {9}, {0, 31}, {12, 13}}, .classes = 32}),
     at({2, 5, 3, 1, 9}, {.regions = {{0, 1, 2, 3}, {1}, {2}, {3}, {2, 3}}, .sums = Sums::per_case})},
    {{"label beyond the classes", [] { call(3, 7, {}); },
      "dice_bce_loss: label 7 at [0,0,0,0], wants less than 4, the number of classes"},
     {"channels and regions differ", [] { call(4, 0, {}); },
      "dice_bce_loss: logits of 4 channels for 3 regions, wants one for each and at most 8"},
     {"smooth 0", [] { call(3, 0, {.smooth = 0}); }, "dice_bce_loss: smooth is 0, wants more than 0"},
     {"no term", [] { call(3, 0, {.dice = 0, .bce = 0}); }, "dice_bce_loss: factors 0 and 0 of dice and bce"},
     {"a class that is none", [] { call(1, 0, {.regions = {{4}}}); },
      "dice_bce_loss: region 0 has class 4, wants 0 to 3"},
     {"a region of nothing", [] { call(1, 0, {.regions = {{}}}); }, "dice_bce_loss: region 0 is of no class"},
     {"more classes than there can be", [] { call(3, 0, {.classes = 33}); },
      "dice_bce_loss: 33 classes, wants 1 to 32"}});

}  // namespace
}  // namespace vox::test
