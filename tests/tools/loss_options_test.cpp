// Each loss that options can name is the sum of the operators it is named after.
#include "model/loss.h"

#include <cmath>
#include <tuple>

#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tools/run/train_options.h"

namespace vox::test {
namespace {

constexpr std::int64_t kEdge = 3;

Tensor logits_of(std::int64_t classes) {
  const Shape shape{2, classes, kEdge, kEdge, kEdge};
  return to_tensor(make_values(shape.count(), 5), shape, Kind::volume, DType::f64);
}

Tensor some_labels() {
  const Shape shape{2, kEdge, kEdge, kEdge};
  return to_tensor(make_labels(shape.count(), 4, 6), shape, Kind::labels, DType::f32);
}

double loss_of(const TrainOptions& o) {
  return segmentation_loss(logits_of(o.targets == "regions" ? 3 : 4), some_labels(), loss_options(o)).item();
}

}  // namespace

TEST_CASE("options name Dice with focal loss or cross entropy, with, without and partly without background",
          "[options]") {
  const Tensor x = logits_of(4);
  const Tensor p = softmax(x);
  const Tensor y = some_labels();
  for (const auto& [word, in_dice, elsewhere] :
       {std::tuple{"include", Background::include, Background::include},
        std::tuple{"exclude", Background::exclude, Background::exclude},
        std::tuple{"exclude-dice", Background::exclude, Background::include}}) {
    INFO(word);
    TrainOptions o;
    o.background = word;
    const double dice = dice_loss(p, y, {.background = in_dice}).item();
    o.loss = "dice+ce";
    CHECK_NOTHROW(check_options(o));
    CHECK(std::abs(loss_of(o) - dice - cross_entropy(x, y, {.background = elsewhere}).item()) < 1e-12);
    o.loss = "dice+focal";
    CHECK(std::abs(loss_of(o) - dice - focal_loss(p, y, {.background = elsewhere}).item()) < 1e-12);
    o.loss = "dice";
    CHECK(std::abs(loss_of(o) - dice) < 1e-12);
  }
}

TEST_CASE("options name Dice with binary cross entropy of regions", "[options]") {
  TrainOptions o;
  o.targets = "regions";
  o.loss = "dice+bce";
  CHECK_NOTHROW(check_options(o));
  const double both = loss_of(o);
  o.loss = "dice";
  const double dice = loss_of(o);
  o.loss = "bce";
  const double bce = loss_of(o);
  CHECK(std::abs(both - dice - bce) < 1e-12);
  CHECK(dice > 0);
  CHECK(bce > 0);
  CHECK(std::abs(dice_bce_loss(logits_of(3), some_labels(), {}).item() - both) < 1e-12);
}

}  // namespace vox::test
