#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/ranks/rank_sums.h"
#include "engine/safetensors.h"
#include "engine/tape.h"
#include "model/loss.h"
#include "model/optimizer.h"
#include "model/train_step.h"
#include "model/unet3d.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/reference_input.h"
#include "tests/support/thread_ranks.h"

// PyTorch's numbers for the whole network; tests/golden/pytorch_reference.py made them.

namespace vox::test {
namespace {

class Golden {
 public:
  explicit Golden(const std::string& preset) : file_(VOX_SOURCE_DIR "/tests/golden/" + preset + ".safetensors") {
    const auto widths = nlohmann::json::parse(file_.meta("widths")).get<std::vector<std::int64_t>>();
    config_ = with_widths(unet_preset(preset), widths);
    if (file_.metadata().contains("supervision")) {
      config_.supervision = static_cast<std::int64_t>(number("supervision"));
    }
    const auto extents = nlohmann::json::parse(file_.meta("shape")).get<std::vector<std::int64_t>>();
    shape_ = Shape{std::span<const std::int64_t>(extents)};
  }

  [[nodiscard]] UNet3d net(DType dtype) const {
    UNet3d n(config_, dtype, 0);
    const auto set = [&](const std::vector<NamedTensor>& tensors) {
      for (const NamedTensor& t : tensors) {
        Tensor to = t.tensor;
        dispatch_type(to.dtype(), [&]<class T>(TypeTag<T>) {
          std::ranges::transform(file_.read<double>("start." + t.name), to.mutable_values<T>().begin(),
                                 [](double v) { return store<T>(static_cast<Acc<T>>(v)); });
        });
      }
    };
    set(n.parameters());
    set(n.buffers());
    return n;
  }

  [[nodiscard]] Tensor image(DType dtype) const {
    return to_tensor(reference_input(shape_.count(), number("input_seed")), shape_, Kind::volume, dtype);
  }

  [[nodiscard]] Tensor labels() const {
    const RandomKey key{.seed = number("label_seed")};
    const Shape shape{shape_[0], shape_[2], shape_[3], shape_[4]};
    Values v(static_cast<std::size_t>(shape.count()));
    for (std::size_t i = 0; i < v.size(); ++i) { v[i] = random4(key, i / 4).v[i % 4] % 4; }
    return to_tensor(v, shape, Kind::labels, DType::f32);
  }

  [[nodiscard]] const std::string& text(const std::string& key) const { return file_.meta(key); }
  [[nodiscard]] std::uint64_t number(const std::string& key) const { return std::stoull(file_.meta(key)); }
  [[nodiscard]] double learning_rate() const { return std::stod(file_.meta("learning_rate")); }
  [[nodiscard]] Values wants(const std::string& name) const { return file_.read<double>(name); }

 private:
  SafetensorsFile file_;
  UNetConfig config_;
  Shape shape_;
};

Values every(const Tensor& t, std::uint64_t stride) {
  const Values all = t.to_doubles();
  Values kept;
  for (std::size_t i = 0; i < all.size(); i += stride) { kept.push_back(all[i]); }
  return kept;
}

/// The largest relative error of each kind of number.
struct Errors {
  double logits = 0;
  double loss = 0;
  double gradients = 0;
  double statistics = 0;
  double after = 0;
  double inference = 0;
};

Errors compare(const std::string& preset, DType dtype, Dropout dropout) {
  const Golden golden(preset);
  const std::string prefix = dropout == Dropout::on ? "on." : "off.";
  UNet3d net = golden.net(dtype);
  Optimizer adam(net.parameters(), {});
  const Tensor image = golden.image(dtype);
  const Tensor labels = golden.labels();
  const std::uint64_t stride = golden.number("logit_stride");
  Errors e;
  const auto worse = [](double& error, double other) { error = std::max(error, other); };

  for (std::uint32_t step = 0; step < golden.number("adam_steps"); ++step) {
    const Tensor logits = net.forward(
        image, {.mode = UNetMode::training, .dropout = dropout, .seed = golden.number("dropout_seed"), .step = step});
    const Tensor loss = segmentation_loss(logits, labels, {});
    backward(loss);
    if (step == 0) {
      e.logits = relative_error(every(logits, stride), golden.wants(prefix + "logits"));
      e.loss = relative_error(loss.to_doubles(), golden.wants(prefix + "loss"));
      for (const NamedTensor& p : net.parameters()) {
        INFO(p.name);
        worse(e.gradients, relative_error(p.tensor.grad().to_doubles(), golden.wants(prefix + "grad." + p.name)));
      }
      for (const NamedTensor& b : net.buffers()) {
        worse(e.statistics, relative_error(b.tensor.to_doubles(), golden.wants(prefix + "buffer." + b.name)));
      }
    }
    adam.step(golden.learning_rate());
  }
  for (const NamedTensor& p : net.parameters()) {
    worse(e.after, relative_error(p.tensor.to_doubles(), golden.wants(prefix + "after." + p.name)));
  }
  const NoGradScope no_grad;
  e.inference = relative_error(every(net.forward(image, {}), stride), golden.wants(prefix + "inference"));
  return e;
}

/// Of a rank with its cases of the batch; logits and inference are not looked at.
Errors compare_on_rank(const std::string& preset, DType dtype, Communicator& ranks) {
  const Golden golden(preset);
  const auto meanwhile = ranks.duplicate();
  RankSums sums(ranks, *meanwhile);
  UNet3d net = golden.net(dtype);
  Optimizer adam(net.parameters(), {});
  const Tensor image = golden.image(dtype);
  const BatchShare share = share_of(image.shape()[0], ranks.rank(), ranks.size());
  const MicroBatch mine{.images = cases_of(image, share.first_here(), share.here(), Kind::volume, dtype),
                        .labels = cases_of(golden.labels(), share.first_here(), share.here(), Kind::labels, dtype),
                        .share = share};
  Errors e;
  const auto worse = [](double& error, const Tensor& got, const Values& wants) {
    error = std::max(error, relative_error(got.to_doubles(), wants));
  };
  for (std::uint32_t step = 0; step < golden.number("adam_steps"); ++step) {
    const PendingLoss loss = submit_batch(net, {&mine, 1}, {}, golden.number("dropout_seed"), step, nullptr, &sums);
    if (step == 0) {
      worse(e.loss, loss.losses().front(), golden.wants("on.loss"));
      for (const NamedTensor& p : net.parameters()) {
        worse(e.gradients, p.tensor.grad(), golden.wants("on.grad." + p.name));
      }
      for (const NamedTensor& b : net.buffers()) { worse(e.statistics, b.tensor, golden.wants("on.buffer." + b.name)); }
    }
    adam.step(golden.learning_rate());
  }
  for (const NamedTensor& p : net.parameters()) { worse(e.after, p.tensor, golden.wants("on.after." + p.name)); }
  return e;
}

void check(const Errors& e, double allowed) {
  fmt::print(
      "  logits {:.1e}, loss {:.1e}, gradients {:.1e}, statistics {:.1e}, after 3 steps {:.1e}, inference "
      "{:.1e}\n",
      e.logits, e.loss, e.gradients, e.statistics, e.after, e.inference);
  CHECK(e.logits <= allowed);
  CHECK(e.loss <= allowed);
  CHECK(e.gradients <= allowed);
  CHECK(e.statistics <= allowed);
  CHECK(e.after <= allowed);
  CHECK(e.inference <= allowed);
}

/// Infinite where one is NaN.
double largest(const Values& v) { return relative_error(v, Values(v.size(), 0.0)); }

/// A bias that the norm behind it takes away again: its gradient is 0 but for rounding, of what makes the weight's.
bool has_no_effect(const std::string& parameter) {
  return parameter.ends_with(".conv1.bias") || parameter.ends_with(".conv2.bias");
}

/// nnU-Net's network with a loss of every head.
Errors compare_supervised(DType dtype) {
  const Golden golden("nnunet");
  UNet3d net = golden.net(dtype);
  const auto setting = [&](const char* key) { return std::stod(golden.text(key)); };
  Optimizer sgd(net.parameters(), {.kind = OptimizerKind::sgd,
                                   .momentum = setting("momentum"),
                                   .nesterov = Nesterov::on,
                                   .weight_decay = setting("weight_decay"),
                                   .clip_norm = setting("clip_norm")});
  const Tensor image = golden.image(dtype);
  const std::uint64_t stride = golden.number("logit_stride");
  const LossOptions options{.terms = loss_terms("dice+bce"), .targets = Targets::regions};
  Errors e;
  const auto worse = [](double& error, double other) { error = std::max(error, other); };
  for (std::uint32_t step = 0; step < golden.number("adam_steps"); ++step) {
    const std::vector<Tensor> logits = net.forward_all(image, {.mode = UNetMode::training});
    const Tensor loss = segmentation_loss(logits, golden.labels(), options);
    backward(loss);
    if (step == 0) {
      REQUIRE(std::ssize(logits) == net.config().supervision);
      for (std::size_t i = 0; i < logits.size(); ++i) {
        worse(e.logits, relative_error(every(logits[i], stride), golden.wants(fmt::format("off.logits.{}", i))));
      }
      e.loss = relative_error(loss.to_doubles(), golden.wants("off.loss"));
      double weight_scale = 0;
      for (const NamedTensor& p : net.parameters()) {
        INFO(p.name);
        const Values got = p.tensor.grad().to_doubles();
        const Values wants = golden.wants("off.grad." + p.name);
        if (p.name.ends_with(".weight")) { weight_scale = largest(wants); }
        worse(e.gradients, has_no_effect(p.name) ? largest(got) / weight_scale : relative_error(got, wants));
      }
    }
    sgd.step(setting("lr"));
  }
  for (const NamedTensor& p : net.parameters()) {
    worse(e.after, relative_error(p.tensor.to_doubles(), golden.wants("off.after." + p.name)));
  }
  const NoGradScope no_grad;
  e.inference = relative_error(every(net.forward(image, {}), stride), golden.wants("off.inference"));
  return e;
}

}  // namespace

TEST_CASE("nnU-Net's network and its loss of every head compute, differentiate and learn as in PyTorch", "[golden]") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    INFO(name(dtype));
    fmt::print("golden nnunet {}:", name(dtype));
    check(compare_supervised(dtype), dtype == DType::f64 ? 1e-9 : 1e-4);
  }
}

TEST_CASE("four ranks compute, differentiate and learn as PyTorch does of the whole batch", "[golden][ranks]") {
  for (const DType dtype : {DType::f64, DType::f32}) {
    std::vector<Errors> of_ranks(4);
    const CpuQueue queue = cpu_queue();
    run_ranks(4, [&](Communicator& ranks) {
      cpu_queue() = queue;
      of_ranks[static_cast<std::size_t>(ranks.rank())] = compare_on_rank("seed", dtype, ranks);
    });
    for (const Errors& e : of_ranks) {
      fmt::print("golden seed {} on a rank of 4:", name(dtype));
      check(e, dtype == DType::f64 ? 1e-9 : 1e-4);
    }
  }
}

TEST_CASE("the preset nnunet has the parameters that the network has in PyTorch, by name and shape", "[golden]") {
  const auto wants = nlohmann::json::parse(Golden("nnunet").text("parameters"));
  const UNet3d net(unet_preset("nnunet"), DType::f32, kNoWeights);
  CHECK(net.parameters().size() == wants.size());
  for (const NamedTensor& p : net.parameters()) {
    INFO(p.name);
    REQUIRE(wants.contains(p.name));
    const auto extents = wants.at(p.name).get<std::vector<std::int64_t>>();
    CHECK(p.tensor.shape() == Shape{std::span<const std::int64_t>(extents)});
  }
}

TEST_CASE("the whole network computes, differentiates and learns as PyTorch does", "[golden]") {
  for (const char* const preset : {"seed", "tutorial"}) {
    for (const Dropout dropout : {Dropout::off, Dropout::on}) {
      for (const DType dtype : {DType::f64, DType::f32}) {
        INFO(preset << " " << name(dtype) << (dropout == Dropout::on ? ", with dropout" : ", without dropout"));
        fmt::print("golden {} {} dropout {}:", preset, name(dtype), dropout == Dropout::on ? "on" : "off");
        check(compare(preset, dtype, dropout), dtype == DType::f64 ? 1e-9 : 1e-4);
      }
    }
  }
}

}  // namespace vox::test
