// Training steps that are captured once and launched again: the bits of those submitted kernel by kernel. Of the whole
// steps the checks of the simt device ([simt]) run one test alone: there they take many times as long.
#include "model/step_graph.h"

#include <cmath>
#include <map>
#include <utility>

#include "engine/context.h"
#include "engine/graph.h"
#include "engine/planned_blocks.h"
#include "engine/readback.h"
#include "engine/uploader.h"
#include "kernels/base/check.h"
#include "kernels/fill.h"
#include "kernels/simt/memory.h"
#include "kernels/simt/options.h"
#include "model/step_plan.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/devices.h"

namespace vox::test {
namespace {

constexpr std::int64_t kMost = 2;  // cases in a batch

/// seed: batch norm, which wants two cases of 16^3, in which one voxel is left at the bottom. tutorial: none. nnunet:
/// three levels, two heads, cases of 8^3.
UNetConfig small_config(const std::string& preset) {
  if (preset != "nnunet") { return with_widths(unet_preset(preset), {2, 8, 2, 2, 2}); }
  UNetConfig c = with_widths(unet_preset(preset), {2, 8, 2});
  c.supervision = 2;
  return c;
}

LossOptions loss_of(const UNetConfig& c) {
  if (c.targets == Targets::classes) { return {}; }
  return {.terms = {LossTerm::dice, LossTerm::binary_cross_entropy}, .targets = Targets::regions};
}
/// What follows a backward pass.
struct Update {
  OptimizerOptions optimizer{.weight_decay = 0.01, .clip_norm = 1};
  double ema = 0;
};

/// A network in training, with the memory of its steps planned as a run plans it.
struct Lab {
  Lab(const char* preset, std::int64_t cases_at_a_time, DType dtype, Device on, GraphUse use, const Update& update = {})
      : device(on),
        at_a_time(cases_at_a_time),
        edge(std::string_view(preset) == "nnunet" ? 8 : 16),
        net(small_config(preset), dtype, 7, device),
        optimizer(net.parameters(), update.optimizer),
        average(update.ema > 0 ? std::make_unique<WeightAverage>(net, update.ema) : nullptr),
        uploader(device, shape(kMost)),
        readback(device),
        graphs(net, optimizer, loss_of(net.config()), 3, use, average.get()) {
    for (std::int64_t cases = at_a_time; cases <= kMost; ++cases) {
      plans[cases] = plan_training({.config = net.config(),
                                    .dtype = dtype,
                                    .device = device,
                                    .extents = cube(edge),
                                    .batch = cases,
                                    .micro_batch = at_a_time,
                                    .loss = loss_of(net.config()),
                                    .optimizer = update.optimizer,
                                    .ema = update.ema});
    }
    reserve_arena(device, plans.at(kMost).arena.bytes);
  }

  [[nodiscard]] Shape shape(std::int64_t cases) const { return {cases, net.config().in_channels, edge, edge, edge}; }

  void upload(std::int64_t cases, unsigned content, std::uint8_t first_label = 3) {
    const Values values = make_values(shape(cases).count(), content);
    images.assign(values.begin(), values.end());
    labels.clear();
    for (const double l : make_labels(cases * edge * edge * edge, 4, content)) {
      labels.push_back(static_cast<std::uint8_t>(l));
    }
    labels.front() = first_label;
    std::vector<Augmentation> drawn(static_cast<std::size_t>(cases));
    for (Augmentation& a : drawn) { a.movement.flip = {content % 2 == 0, content % 3 == 0, false}; }
    uploader.start({.shape = shape(cases), .images = images, .labels = labels, .drawn = drawn}, at_a_time);
  }

  /// Loss and gradient norm of a step on the batch that was uploaded. held: bytes that somebody asks for before it.
  std::pair<double, double> step(std::int64_t cases, const ArenaPlan& plan, std::size_t held = 0) {
    PlannedBlocks* const blocks = graphs.prepare(plan, cases / at_a_time);
    const ArenaScope scope(device, plan, blocks);
    const std::vector<MicroBatch> parts = uploader.take(net.dtype());
    const Tensor block({static_cast<std::int64_t>(held)}, DType::u8, device);
    SubmittedTraining s = graphs.submit(scope, parts, number, 1e-2 / (1 + number));
    ++number;
    readback.start(std::exchange(s.results, {}));
    const std::vector<double> values = readback.wait();
    const std::size_t losses = s.losses.parts();
    return {s.losses.mean(std::span(values).first(losses)), s.update.norm(std::span(values).subspan(losses))};
  }
  std::pair<double, double> step(std::int64_t cases) {
    upload(cases, number);
    return step(cases, plans.at(cases).arena);
  }

  /// Scores by plain operators, recorded, so that weights are packed if they have changed since they last were.
  std::vector<double> validate() {
    net.set_fusion(Fusion::off);
    const Tensor x =
        Tensor::volume_of<float>(shape(1), std::vector<float>(static_cast<std::size_t>(shape(1).count()), 0.5F));
    std::vector<double> scores = net.forward(cast(x, net.dtype()).to(device), {}).to_doubles();
    net.set_fusion(Fusion::on);
    return scores;
  }

  [[nodiscard]] std::map<std::string, std::vector<double>> values() const {
    std::map<std::string, std::vector<double>> all;
    const std::vector<NamedTensor> moments = optimizer.state();
    const std::vector<NamedTensor> averages = average ? average->state() : std::vector<NamedTensor>();
    for (const auto* const of : {&net.parameters(), &net.buffers(), &moments, &averages}) {
      for (const NamedTensor& t : *of) { all[t.name] = t.tensor.to_doubles(); }
    }
    return all;
  }

  Device device;
  std::int64_t at_a_time;
  std::int64_t edge;
  UNet3d net;
  Optimizer optimizer;
  std::unique_ptr<WeightAverage> average;
  Uploader uploader;
  Readback readback;
  std::vector<float> images;
  std::vector<std::uint8_t> labels;
  std::uint32_t number = 0;
  StepGraphs graphs;
  std::map<std::int64_t, StepPlan> plans;
};

/// Of many values a failure need not print each.
template <class Values> bool same(const Values& a, const Values& b) { return a == b; }

struct Course {
  const char* preset;
  DType dtype;
  std::int64_t at_a_time;
  std::vector<std::int64_t> batches;
  std::int64_t launches;  ///< all steps but the first of each kind
  Update update{};
};

}  // namespace

TEST_CASE("steps launched as graphs give the bits of steps submitted kernel by kernel", "[net][graph][cuda]") {
  VOX_EACH_KERNEL_DEVICE(device);
  // Batch norm with dropout; two kinds of steps, one in two parts; weights packed for tensor cores; deep supervision.
  // Averages of the weights, and SGD.
  const Update sgd{{.kind = OptimizerKind::sgd, .weight_decay = 0.01, .clip_norm = 1}, 0.6};
  const Course c = GENERATE_COPY(
      Course{"seed", DType::f32, 2, {2, 2, 2}, 2, {.ema = 0.5}}, Course{"tutorial", DType::f32, 1, {2, 1, 2, 1, 2}, 3},
      Course{"tutorial", DType::bf16, 1, {1, 1, 1}, 2, sgd}, Course{"nnunet", DType::bf16, 1, {1, 2, 1, 2}, 2});
  INFO(c.preset << " " << name(c.dtype));
  Lab plain(c.preset, c.at_a_time, c.dtype, device, GraphUse::off, c.update);
  Lab graph(c.preset, c.at_a_time, c.dtype, device, GraphUse::on, c.update);
  for (const std::int64_t cases : c.batches) {  // the learning rate is another in each
    const auto want = plain.step(cases);
    CHECK(graph.step(cases) == want);
    if (graph.number == 2 || graph.number == 3) { CHECK(same(graph.validate(), plain.validate())); }
  }
  CHECK(graph.graphs.launches() == c.launches);
  CHECK(graph.graphs.notes().empty());
  CHECK(plain.graphs.launches() == 0);
  CHECK(same(graph.values(), plain.values()));
  CHECK(graph.optimizer.steps() == std::ssize(c.batches));
}

// A launch of a graph is one submission, whatever is in it.
TEST_CASE("a step that is a graph is submitted by a few calls, and the host waits once", "[net][graph][simt]") {
  Lab lab("tutorial", 1, DType::f32, Device::simt, GraphUse::on);
  static_cast<void>(lab.step(1));
  static_cast<void>(lab.step(1));
  lab.upload(1, 9);
  const simt_device::Work before = simt_device::work();
  static_cast<void>(lab.step(1, lab.plans.at(1).arena));
  const simt_device::Work after = simt_device::work();
  CHECK(after.replays - before.replays == 1);
  CHECK(after.launches - before.launches == 2);  // a case augmented, and what is new of the step
  CHECK(after.copies_in == before.copies_in);
  CHECK(after.copies_out - before.copies_out == 2);  // loss and squares, once all is done
}

TEST_CASE("a step whose memory or batch is not as it was is submitted kernel by kernel", "[net][graph]") {
  Lab plain("tutorial", 1, DType::f32, Device::simt, GraphUse::off);
  Lab graph("tutorial", 1, DType::f32, Device::simt, GraphUse::on);
  const ArenaPlan& plan = graph.plans.at(1).arena;
  const auto launches = [&](std::size_t held) {
    const std::int64_t before = graph.graphs.launches();
    for (Lab* const lab : {&plain, &graph}) { lab->upload(1, graph.number); }
    const auto want = plain.step(1, plan);
    CHECK(graph.step(1, plan, held) == want);
    return graph.graphs.launches() - before;
  };
  const std::size_t planned = plan.requests.at(2).bytes;  // the first after image and labels
  CHECK(launches(0) == 0);
  CHECK(launches(0) == 1);
  CHECK(launches(1) == 1);  // lies elsewhere: nothing of the step's
  CHECK(launches(planned) == 0);
  CHECK_THAT(graph.graphs.notes().at(0), ContainsSubstring("3 blocks of the arena are taken, 2 were"));
  CHECK(launches(0) == 0);
  CHECK(launches(0) == 1);  // captured anew
  CHECK(graph.graphs.notes().empty());
  CHECK(same(graph.values(), plain.values()));
}

TEST_CASE("a step that does not follow the plan of its memory is never a graph", "[net][graph]") {
  Lab lab("tutorial", 1, DType::f32, Device::simt, GraphUse::on);
  ArenaPlan plan = lab.plans.at(1).arena;
  plan.requests.erase(plan.requests.begin() + 10, plan.requests.begin() + 30);
  for (int i = 0; i < 2; ++i) {
    lab.upload(1, 1);
    static_cast<void>(lab.step(1, plan));
  }
  CHECK(lab.graphs.launches() == 0);
  const std::vector<std::string> notes = lab.graphs.notes();
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], ContainsSubstring("its memory was not where its plan says"));
}

TEST_CASE("a graph refuses what CUDA refuses in a capture, and nothing has been done then", "[graph][simt]") {
  const Tensor there = Tensor::zeros({4}, DType::f32, Device::simt);
  Tensor other = Tensor::zeros({4}, DType::f32, Device::simt);
  const Tensor here = Tensor::of<float>({4}, std::vector<float>{1, 2, 3, 4});
  other.assign(here);
  const auto refused = [](const std::function<void()>& work) {
    Graph graph(Device::simt);
    try {
      graph.capture(work);
    } catch (const Error& e) { return std::string(e.what()); }
    return std::string("not refused");
  };
  CHECK_THAT(refused([&] { static_cast<void>(there.to_doubles()); }), ContainsSubstring("CUDA refuses"));
  CHECK_THAT(refused([&] { Tensor(there).assign(here); }), ContainsSubstring("not page-locked"));
  CHECK_THAT(refused([] { static_cast<void>(Tensor({4}, DType::f32, Device::simt)); }),
             ContainsSubstring("asked of the system"));
  auto goes = std::make_unique<Tensor>(Tensor::zeros({4}, DType::f32, Device::simt));
  CHECK_THAT(refused([&] { goes.reset(); }), ContainsSubstring("given back to the system"));
  CHECK_THAT(refused([&] {
               Tensor(there).assign(other);
               VOX_FAIL("in the midst");
             }),
             ContainsSubstring("in the midst"));
  CHECK(there.to_doubles() == std::vector<double>(4, 0.0));  // and the device works as before

  Graph graph(Device::simt);
  graph.capture([&] { Tensor(there).assign(other); });
  CHECK(graph.size() == 1);
  CHECK(there.to_doubles() == std::vector<double>(4, 0.0));
  graph.launch();
  CHECK(there.to_doubles() == here.to_doubles());
  CHECK_THROWS_WITH(Graph(Device::cpu), ContainsSubstring("there are none on cpu"));
}

TEST_CASE("a planned block is the same at each request, fresh, and nobody's in between", "[graph][simt]") {
  PlannedBlocks blocks;
  const auto floats = [](std::byte* p) { return std::span(reinterpret_cast<float*>(p), 4); };
  const auto fill = [](std::span<float> y) { fill_forward(simt_queue(), FillArgs<float>{.value = 2, .y = y}); };
  const auto first = [](std::span<const float> from) {
    float value = 0;
    simt_device::copy_out(&value, from.data(), sizeof value);
    return value;
  };
  std::byte* const p = blocks.take(3, 16);
  CHECK(blocks.take(3, 16) == nullptr);
  fill(floats(p));
  CHECK(first(floats(p)) == 2);
  blocks.give_back(p);
  if (simt::checks_accesses()) { CHECK_THROWS_WITH(fill(floats(p)), ContainsSubstring("fill_kernel")); }
  CHECK(blocks.take(3, 8) == nullptr);
  CHECK(blocks.take(3, 16) == p);
  CHECK(std::isnan(first(floats(p))));
  CHECK(blocks.taken() == 1);
  blocks.give_back(p);
}

TEST_CASE("a graph's step refuses a label that is no class, and graphs are refused where there are none",
          "[net][graph][errors]") {
  Lab lab("tutorial", 1, DType::f32, Device::simt, GraphUse::on);
  static_cast<void>(lab.step(1));
  static_cast<void>(lab.step(1));
  const auto before = lab.values();
  lab.upload(1, 1, 4);
  CHECK_THROWS_WITH(lab.step(1, lab.plans.at(1).arena), ContainsSubstring("label 4, wants less than 4"));
  CHECK(lab.values() == before);
  CHECK(lab.optimizer.steps() == 2);
  CHECK_THROWS_WITH(Lab("tutorial", 1, DType::f32, Device::cpu, GraphUse::on),
                    ContainsSubstring("there are none on cpu"));
  CHECK_FALSE(Lab("tutorial", 1, DType::f32, Device::simt, GraphUse::automatic).graphs.used());
  CHECK_THROWS_WITH(graph_named("maybe"), ContainsSubstring("wants auto, on or off"));
}

}  // namespace vox::test
