#include <limits>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

/// Number e of a key's stream is below p * 2^32: the definition, one number at a time.
bool drops(const RandomKey& key, std::int64_t e, double p) {
  return unit(random4(key, static_cast<std::uint64_t>(e / 4)).v[e % 4]) < p;
}

OpCase at(const Shape& x, double p, const RandomKey& key) {
  return {.op = Op::dropout,
          .label = "dropout " + x.str(),
          .inputs = {{.shape = x}},
          .apply = [p, key](const auto& in) { return dropout(in[0], {.p = p, .key = key}); },
          .reference =
              [x, p, key](const auto& in) {
                Values y = in[0];
                const VolumeShape s = x.volume();
                for (std::int64_t i = 0; i < s.count(); ++i) {
                  const std::int64_t place = s.at(i / (s.c * s.voxels()), i / s.voxels() % s.c, i % s.voxels());
                  y[static_cast<std::size_t>(i)] *= drops(key, place, p) ? 0 : 1 / (1 - p);
                }
                return y;
              },
          .grad_terms = 1};
}

void always() { static_cast<void>(dropout(Tensor::zeros({3}, DType::f32), {.p = 1, .key = {}})); }
void negative() { static_cast<void>(dropout(Tensor::zeros({3}, DType::f32), {.p = -0.1, .key = {}})); }
void not_a_number() {
  static_cast<void>(
      dropout(Tensor::zeros({3}, DType::f32), {.p = std::numeric_limits<double>::quiet_NaN(), .key = {}}));
}

const Register kCases({at({1, 1, 1, 1, 1}, 0.5, {.seed = 3, .step = 1, .place = 2}),
                       at({2, 3, 4, 5, 6}, 0.3, {.seed = 0xFFFFFFFFFFULL, .step = 7, .place = 1}),
                       at({1, 12, 1, 1, 7}, 0.9, {}), at({1, 5, 3, 3, 3}, 0, {})},
                      {{"p is 1", always, "dropout: p is 1, wants [0,1)"},
                       {"p is negative", negative, "dropout: p is -0.1, wants [0,1)"},
                       {"p is NaN", not_a_number, "dropout: p is nan, wants [0,1)"}});

}  // namespace
}  // namespace vox::test
