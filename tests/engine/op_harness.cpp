#include <numeric>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"
#include "kernels/simt/options.h"
#include "tests/engine/isa_scope.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

constexpr double kStep = 0x1p-10;  // exact in f64, and small against inputs in [-2,2]

/// What arrives at y: never all ones, or a rule that forgets dy would pass.
Values arriving(std::size_t count) { return make_values(static_cast<std::int64_t>(count), 99); }

double loss_at(const OpCase& c, const std::vector<Values>& at) {
  const Values y = c.reference(at);
  const Values dy = arriving(y.size());
  return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
}

Values central_differences(const OpCase& c, std::vector<Values> at, std::size_t input) {
  Values gradient;
  for (double& x : at[input]) {
    const double before = x;
    const auto difference = [&](double step) {
      x = before + step;
      const double up = loss_at(c, at);
      x = before - step;
      const double down = loss_at(c, at);
      x = before;
      return (up - down) / (2 * step);
    };
    gradient.push_back((4 * difference(kStep) - difference(2 * kStep)) / 3);  // Richardson: the error is step^4
  }
  return gradient;
}

struct Run {
  Tensor y;
  std::vector<Tensor> inputs;
};

/// Numbers of f32 without all bits of a mantissa: a thread that took them for zero where another does not would show.
Values half_denormal(Values v) {
  for (std::size_t i = 0; i < v.size(); i += 2) { v[i] *= 0x1p-130; }
  return v;
}
enum class Data : std::uint8_t { normal, half_denormal };

/// Forward and backward of a case in a dtype, in memory whose fresh bytes are NaN: what is read unwritten shows.
Run run(const OpCase& c, DType dtype, Device device = Device::cpu, Data data = Data::normal) {
  set_fresh_memory(FreshMemory::nan);
  std::vector<Values> inputs = make_inputs(c);
  const bool small = data == Data::half_denormal;
  for (std::size_t k = 0; small && k < inputs.size(); ++k) {
    const bool values = c.inputs[k].kind == Kind::volume || c.inputs[k].kind == Kind::plain;
    if (values) { inputs[k] = half_denormal(inputs[k]); }
  }
  Run r{.y = {}, .inputs = to_tensors(c, inputs, dtype, device)};
  bool differentiable = false;
  for (std::size_t k = 0; k < r.inputs.size(); ++k) {
    if (c.inputs[k].differentiable && c.inputs[k].kind != Kind::labels) {
      r.inputs[k].requires_grad();
      differentiable = true;
    }
  }
  r.y = c.apply(r.inputs);
  if (differentiable) {
    const Values dy = arriving(static_cast<std::size_t>(r.y.shape().count()));
    backward(r.y, to_tensor_like(small ? half_denormal(dy) : dy, r.y));
  }
  set_fresh_memory(FreshMemory::as_found);
  return r;
}

/// y and all gradients.
std::vector<Values> values_of(const Run& r) {
  std::vector<Values> values{r.y.to_doubles()};
  for (const Tensor& t : r.inputs) {
    if (t.wants_grad()) { values.push_back(t.grad().to_doubles()); }
  }
  return values;
}

/// Says which this processor lacks.
std::vector<Isa> runnable_isas() {
  std::vector<Isa> isas{Isa::baseline};
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::amx}) {
    if (isa <= best_isa()) {
      isas.push_back(isa);
    } else {
      WARN("skipped on " << name(isa) << ", which this processor lacks");
    }
  }
  return isas;
}

Products products_on(Isa isa, DType dtype) {
  return isa == Isa::amx && dtype == DType::f32 ? Products::halves : Products::whole;
}

std::string padding_of(const Run& r) {
  std::string found = nonzero_padding(r.y);
  for (const Tensor& t : r.inputs) {
    if (found.empty() && t.wants_grad()) { found = nonzero_padding(t.grad()); }
  }
  return found;
}

/// bf16 results are compared with the gradient of the f64 run, which central differences have checked.
DType roundoff_of(DType run, const Tensor& grad) {
  return grad.dtype() == DType::f32 && run == DType::bf16 ? run : grad.dtype();
}

void check_gradients(const OpCase& c, const Run& r, const Run& truth, DType dtype,
                     Products products = Products::whole) {
  for (std::size_t k = 0; k < r.inputs.size(); ++k) {
    if (!r.inputs[k].wants_grad()) { continue; }
    INFO("input " << k);
    const Tensor got = r.inputs[k].grad();
    REQUIRE(got.defined());
    const auto terms = c.grad_terms > 0 ? c.grad_terms : r.y.shape().count();
    CHECK(first_mismatch(got.to_doubles(), truth.inputs[k].grad().to_doubles(), roundoff_of(dtype, got), terms,
                         c.conditioning, products) == "");
  }
}

}  // namespace

TEST_CASE("every op matches its reference in every dtype on every instruction set", "[ops][forward]") {
  const std::vector<Isa> isas = runnable_isas();
  for (const OpCase& c : op_cases()) {
    const Values wants = c.reference(make_inputs(c));
    for (const Isa isa : isas) {
      const IsaScope scope(isa);
      for (const DType dtype : dtypes_on(isa)) {
        INFO(c.label << " " << name(dtype) << " " << name(isa));
        const Run r = run(c, dtype);
        CHECK(first_mismatch(r.y.to_doubles(), wants, dtype, c.terms, c.conditioning, products_on(isa, dtype)) == "");
        CHECK(padding_of(r) == "");
      }
    }
  }
}

TEST_CASE("every op's f64 gradient matches central differences of its reference", "[ops][backward]") {
  for (const OpCase& c : op_cases()) {
    const auto inputs = make_inputs(c);
    const Run r = run(c, DType::f64);
    for (std::size_t k = 0; k < r.inputs.size(); ++k) {
      if (!r.inputs[k].wants_grad()) { continue; }
      INFO(c.label << ", input " << k);
      REQUIRE(r.inputs[k].grad().defined());
      CHECK(first_mismatch(r.inputs[k].grad().to_doubles(), central_differences(c, inputs, k), DType::f32, 64,
                           c.conditioning) == "");
    }
  }
}

TEST_CASE("every op's f32 and bf16 gradients match its f64 gradient on every instruction set", "[ops][backward]") {
  const std::vector<Isa> isas = runnable_isas();
  for (const OpCase& c : op_cases()) {
    const Run truth = [&] {
      const IsaScope scope(Isa::baseline);
      return run(c, DType::f64);
    }();
    for (const Isa isa : isas) {
      const IsaScope scope(isa);
      for (const DType dtype : dtypes_on(isa)) {
        INFO(c.label << " " << name(dtype) << " " << name(isa));
        check_gradients(c, run(c, dtype), truth, dtype, products_on(isa, dtype));
      }
    }
  }
}

TEST_CASE("every op on simt and on a GPU matches its reference, and its gradients those of the cpu",
          "[ops][simt][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  for (const std::string_view op : kOpNames) {
    DYNAMIC_SECTION(op) {
      for (const OpCase& c : op_cases()) {
        if (name(c.op) != op) { continue; }
        const Values wants = c.reference(make_inputs(c));
        const Run truth = run(c, DType::f64);
        for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
          INFO(c.label << " " << name(dtype));
          const Run r = run(c, dtype, device);
          CHECK(first_mismatch(r.y.to_doubles(), wants, dtype, c.terms, c.conditioning) == "");
          CHECK(padding_of(r) == "");
          check_gradients(c, r, truth, dtype);
        }
      }
    }
  }
}

/// On the simt device.
[[nodiscard]] static std::vector<Values> simt_values(const OpCase& c) {
  return values_of(run(c, DType::f32, Device::simt));
}

TEST_CASE("every op gives the same bits in every order of blocks and threads, and on four OS threads",
          "[ops][simt][determinism]") {
  const simt::Options before = simt::options();
  const int threads = cpu_queue().threads;
  for (const OpCase& c : op_cases()) {
    INFO(c.label);
    simt::options() = before;
    cpu_queue().threads = 1;
    const auto forward = simt_values(c);
    for (const simt::Order order : {simt::Order::reverse, simt::Order::random}) {
      simt::options().order = order;
      CHECK(forward == simt_values(c));
    }
    simt::options().order = simt::Order::forward;
    cpu_queue().threads = 4;
    CHECK(forward == simt_values(c));
  }
  simt::options() = before;
  cpu_queue().threads = threads;
}

TEST_CASE("every op gives the same bits with one thread and with four, run after run", "[ops][determinism]") {
  const int threads = cpu_queue().threads;
  parallel_for(4, 4, [](std::int64_t) {});  // a thread begins in the floating-point mode of who makes it: of no kernel
  for (const OpCase& c : op_cases()) {
    for (const Data data : {Data::normal, Data::half_denormal}) {
      const auto all = [&](int count) {
        cpu_queue().threads = count;
        return values_of(run(c, DType::f32, Device::cpu, data));
      };
      INFO(c.label << (data == Data::normal ? "" : ", half of it denormal"));
      const auto one = all(1);
      CHECK(one == all(4));
      CHECK(one == all(3));
    }
  }
  cpu_queue().threads = threads;
}

TEST_CASE("every op refuses what it cannot do, and says why", "[ops][errors]") {
  for (const Refusal& r : refusals()) {
    INFO(r.label);
    CHECK_THROWS_WITH(r.call(), ContainsSubstring(r.message));
  }
}

TEST_CASE("every op in the catalogue has a case", "[ops][coverage]") {
  for (const std::string_view op : kOpNames) {
    INFO("no case for " << op << ": add tests/engine/ops/" << op << ".cpp");
    CHECK(std::ranges::any_of(op_cases(), [&](const OpCase& c) { return name(c.op) == op; }));
  }
}

TEST_CASE("first_mismatch refuses what is not provably close", "[compare]") {
  const Values one{1.0};
  const Values nan{std::nan("")};
  CHECK(first_mismatch(one, one, DType::f64, 1) == "");
  CHECK(first_mismatch(nan, one, DType::f64, 1) != "");
  CHECK(first_mismatch(one, nan, DType::f64, 1) != "");
  CHECK(first_mismatch(Values{-10.0}, Values{-5.0}, DType::f64, 1) != "");
  CHECK(first_mismatch(Values{}, one, DType::f64, 1) != "");
}

}  // namespace vox::test
