// An operator that the catalogue does not have, with its own loop and its own gradient rule, in every float type.
#include <voxgrad/engine/dispatch.h>
#include <voxgrad/engine/gradcheck.h>
#include <voxgrad/engine/ops/check.h>
#include <voxgrad/engine/tape.h>
#include <voxgrad/kernels/base/bf16.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "expect.h"

namespace {

/// out[e] = f(a[e], b[e]), padding included: f(0, 0) must be 0.
template <class F> vox::Tensor map(const vox::Tensor& a, const vox::Tensor& b, const F& f) {
  vox::Tensor out = vox::Tensor::like(a);
  vox::dispatch_type(a.dtype(), [&]<class T>(vox::TypeTag<T>) {
    const auto y = out.mutable_values<T>();
    for (std::size_t e = 0; e < y.size(); ++e) {
      y[e] = vox::store<T>(f(vox::load(a.values<T>()[e]), vox::load(b.values<T>()[e])));
    }
  });
  return out;
}

template <class A> A sigmoid(A x) { return 1 / (1 + std::exp(-x)); }

enum class Rule { right, forgets_a_term };

/// y = x * sigmoid(x)
vox::Tensor swish(const vox::Tensor& x, Rule rule) {
  static const vox::Op op = vox::own_op("swish");
  vox::check_volume(op, "x", x);
  const vox::Tensor v = x.detached();
  return vox::record(op, map(v, v, [](auto a, auto) { return a * sigmoid(a); }), {x},
                     [v, rule](const vox::Tensor& dy, vox::GradSink& dx) {
                       dx.add(0, map(v, dy, [rule](auto a, auto d) {
                                const auto s = sigmoid(a);
                                return rule == Rule::right ? d * (s + a * s * (1 - s)) : d * s;
                              }));
                     });
}

template <class F> std::string error_of(const F& f) {
  try {
    f();
  } catch (const vox::Error& e) { return e.what(); }
  return "";
}

}  // namespace

void check_own_operator() {
  const vox::Shape shape{2, 3, 2, 3, 2};
  std::vector<double> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) { values[i] = 2 * std::cos(0.9 * static_cast<double>(i)); }
  const auto x = vox::Tensor::volume_of<double>(shape, values).requires_grad();
  const auto with = [](Rule rule) {
    return [rule](const std::vector<vox::Tensor>& in) { return vox::sum(swish(vox::scale(in[0], 0.5), rule)); };
  };
  EXPECT(vox::gradcheck(with(Rule::right), {x}).message().empty());
  EXPECT(vox::sum(swish(vox::cast(x, vox::DType::bf16), Rule::right)).dtype() == vox::DType::f32);

  const vox::GradcheckResult wrong = vox::gradcheck(with(Rule::forgets_a_term), {x});
  std::printf("planted wrong rule: %s\n", wrong.message().c_str());
  EXPECT(!wrong.ok());

  const std::string missing = error_of([&] { (void)vox::record("swish", x.detached(), {x}, {}); });
  EXPECT(missing.find("swish: record() needs a backward rule") != std::string::npos);
  const std::string taken = error_of([&] { (void)vox::own_op("relu"); });
  EXPECT(taken.find("'relu' is an operator of the catalogue") != std::string::npos);
  const std::string shape_error = error_of([] { (void)swish(vox::Tensor({3}, vox::DType::f32), Rule::right); });
  EXPECT(shape_error.find("swish: x is 3 f32 plain") != std::string::npos);
}
