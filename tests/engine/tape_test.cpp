#include "engine/tape.h"

#include "engine/allocator.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

Tensor vector_of(const Values& v) { return Tensor::of<double>({std::ssize(v)}, v); }
Tensor leaf(const Values& v) { return vector_of(v).requires_grad(); }

std::size_t in_use() { return memory_report(Device::cpu).in_use_bytes; }

/// A volume large enough that what is small beside it does not matter.
constexpr std::int64_t kEdge = 32;
constexpr std::size_t kVolumeBytes = 8 * kEdge * kEdge * kEdge * sizeof(float);
Tensor large_volume() { return Tensor::zeros({1, 8, kEdge, kEdge, kEdge}, DType::f32, Device::cpu, Layout::blocked); }
/// Volumes in use, to the nearest one.
std::size_t volumes(std::size_t bytes) { return (bytes + kVolumeBytes / 2) / kVolumeBytes; }

}  // namespace

TEST_CASE("a tensor used several times gets the sum of its gradients", "[tape]") {
  const Tensor x = leaf({1, -2, 3});
  const Tensor y = add(mul(x, x), add(scale(x, 3), x));  // y = x^2 + 4x
  backward(y, vector_of({1, 10, 100}));
  CHECK(x.grad().to_doubles() == Values{6, 0, 1000});
}

TEST_CASE("a gradient that somebody holds is not added to in its place", "[tape]") {
  const Tensor x = leaf({2, 3});
  const Tensor dy = vector_of({5, 7});
  backward(scale(x, 1), dy);
  const Tensor before = x.grad();
  backward(add(x, x), dy);
  CHECK(before.to_doubles() == Values{5, 7});
  CHECK(dy.to_doubles() == Values{5, 7});
  CHECK(x.grad().to_doubles() == Values{15, 21});
}

TEST_CASE("of a layer that normalises one tensor is kept for the gradient, and the next one's input is none more",
          "[tape]") {
  const Tensor weight = Tensor::zeros({8, 8, 3, 3, 3}, DType::f32).requires_grad();
  const Tensor c = Tensor::zeros({8}, DType::f32);
  const std::size_t before = volumes(in_use());
  Tensor y = large_volume();
  y = conv3d_batch_norm_relu(std::move(y), {}, weight, c, c, c, c);
  CHECK(volumes(in_use()) - before == 3);  // the input, the convolution's result, and y
  y = conv3d_batch_norm_relu(std::move(y), {}, weight, c, c, c, c);
  CHECK(volumes(in_use()) - before == 4);  // the first y is gone
  y = conv3d(y, weight, {});
  CHECK(volumes(in_use()) - before == 4);  // and so is the second
}

TEST_CASE("gradients of several backward passes add up until they are cleared", "[tape]") {
  Tensor x = leaf({2});
  backward(scale(x, 3));
  backward(scale(x, 4));
  CHECK(x.grad().to_doubles() == Values{7});
  x.clear_grad();
  CHECK_FALSE(x.grad().defined());
  backward(scale(x, 5));
  CHECK(x.grad().to_doubles() == Values{5});
}

TEST_CASE("backward multiplies by the gradient that arrives, value by value", "[tape]") {
  const Tensor x = leaf({1, 2, 3});
  backward(scale(relu(x), 2), vector_of({0.5, 0, -4}));
  CHECK(x.grad().to_doubles() == Values{1, 0, -8});
}

TEST_CASE("backward from a leaf adds to its gradient", "[tape]") {
  const Tensor x = leaf({1, 2});
  backward(x, vector_of({3, 4}));
  backward(x, vector_of({10, 20}));
  CHECK(x.grad().to_doubles() == Values{13, 24});
}

TEST_CASE("only what wants a gradient gets one", "[tape]") {
  const Tensor a = leaf({2});
  const Tensor b = vector_of({5});
  const Tensor y = mul(a, b);
  backward(y);
  CHECK(a.grad().to_doubles() == Values{5});
  CHECK_FALSE(b.grad().defined());
  CHECK_FALSE(y.grad().defined());
  CHECK_FALSE(mul(b, b).wants_grad());
  CHECK_THROWS_WITH(backward(mul(b, b)), ContainsSubstring("nothing below y requires a gradient"));
}

TEST_CASE("a detached tensor shares values and no history", "[tape]") {
  const Tensor x = leaf({2});
  const Tensor y = mul(x, scale(x, 3).detached());
  backward(y);
  CHECK(x.grad().to_doubles() == Values{6});
}

TEST_CASE("nothing is recorded while a NoGradScope lives, and recording resumes after it", "[tape]") {
  const Tensor x = leaf({2});
  {
    const NoGradScope outer;
    const NoGradScope inner;
    CHECK_FALSE(scale(x, 3).wants_grad());
  }
  CHECK(scale(x, 3).wants_grad());
}

TEST_CASE("without gradients no intermediate result is kept", "[tape][memory]") {
  const NoGradScope no_grad;
  const Tensor x = large_volume().requires_grad();
  const std::size_t before = in_use();
  const Tensor y = relu(scale(relu(scale(x, 2)), 3));
  CHECK(volumes(in_use() - before) == 1);
}

TEST_CASE("an op keeps what its rule reads, and no other values", "[tape][memory]") {
  const Tensor x = large_volume().requires_grad();
  const std::size_t before = in_use();
  Tensor y = scale(x, 2);  // saves nothing
  y = dropout(y, {.p = 0.5, .key = {}});
  y = add(y, y);
  y = scale(y, 3);
  CHECK(volumes(in_use() - before) == 1);
  y = relu(y);  // saves its result
  y = scale(y, 4);
  CHECK(volumes(in_use() - before) == 2);
}

TEST_CASE("what an op saved is released as soon as backward is past it", "[tape][memory]") {
  const Tensor x = large_volume().requires_grad();
  const std::size_t before = in_use();
  Tensor y = x;
  for (int i = 0; i < 8; ++i) { y = scale(relu(y), 1.5); }  // each relu saves one volume
  const Tensor loss = sum(y);
  y = Tensor();
  CHECK(volumes(in_use() - before) == 8);
  reset_peak(Device::cpu);
  backward(loss);
  // beside what is saved: the gradient that arrives at an op and the one that leaves it
  CHECK(volumes(memory_report(Device::cpu).peak_bytes - before) <= 10);
  CHECK(volumes(in_use() - before) == 1);  // the gradient of x
}

TEST_CASE("a graph that never ran backward is released with its result", "[tape][memory]") {
  const Tensor x = large_volume().requires_grad();
  const std::size_t before = in_use();
  { const Tensor y = softmax(relu(leaky_relu(x))); }
  CHECK(in_use() == before);
}

TEST_CASE("a second backward through the same op throws", "[tape]") {
  const Tensor x = leaf({2});
  const Tensor shared = scale(x, 3);
  const Tensor y = mul(shared, shared);
  backward(y);
  CHECK_THROWS_WITH(backward(y), ContainsSubstring("backward: reached a 1 tensor a second time"));
  CHECK_THROWS_WITH(backward(scale(shared, 2)), ContainsSubstring("a second time"));
}

TEST_CASE("an op without a derivative throws when a gradient reaches it", "[tape]") {
  const Tensor x = leaf({2});
  const Tensor y = record(Op::scale, vector_of({1}), {x}, no_gradient(Op::scale));
  CHECK_THROWS_WITH(backward(y), ContainsSubstring("scale: has no gradient"));
  CHECK_THROWS_WITH(record(Op::scale, vector_of({1}), {x}, nullptr), ContainsSubstring("needs a backward rule"));
}

TEST_CASE("a rule that gives no gradient, or one of another shape, is named", "[tape]") {
  const Tensor x = leaf({2});
  const Tensor silent = record(Op::mul, vector_of({1}), {scale(x, 2)}, [](const Tensor&, GradSink&) {});
  CHECK_THROWS_WITH(backward(silent), ContainsSubstring("no gradient arrives at the result of scale"));
  const Tensor wrong = record(Op::mul, vector_of({1}), {x}, [](const Tensor&, GradSink& grads) {
    grads.add(0, vector_of({1, 2}));
  });
  CHECK_THROWS_WITH(backward(wrong), ContainsSubstring("mul: gradient f64 plain 2 for input 0, which is f64 plain 1"));
}

TEST_CASE("backward wants one value, or a gradient like y", "[tape]") {
  const Tensor x = leaf({2, 3});
  CHECK_THROWS_WITH(backward(scale(x, 2)), ContainsSubstring("backward: loss is 2, wants one value"));
  CHECK_THROWS_WITH(backward(scale(x, 2), vector_of({1})),
                    ContainsSubstring("backward: dy is f64 plain 1, wants f64 plain 2"));
}

}  // namespace vox::test
