#include "model/step_graph.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "engine/dispatch.h"
#include "engine/graph.h"
#include "engine/kept.h"
#include "engine/ops/loss.h"
#include "engine/tensor_body.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr int kMostCaptures = 3;  // of one kind of step

const void* place_of(const Tensor& t) { return std::as_const(*t.body().storage).data(); }

void written(const Tensor& t) { static_cast<void>(t.body().storage->data()); }

bool follows_plan(const ArenaScope& scope) { return scope.strays() == 0 && scope.from_pool() == 0; }

bool uses_graphs(GraphUse use, Device device) {
  VOX_CHECK(use != GraphUse::on || Graph::exist_on(device), "--graph on: there are none on {}", name(device));
  return use == GraphUse::on || (use == GraphUse::automatic && device == Device::cuda);
}

/// What was true of a step that was captured.
struct Premises {
  ArenaScope::Memory memory;
  std::vector<Shape> shapes;
  std::vector<const void*> batch;
  std::vector<const void*> network;
  Fusion fusion = Fusion::on;
  ConvChoice conv = ConvChoice::automatic;
  bool keeps_all = false;
};

Premises premises_of(const UNet3d& net, const ArenaScope& scope, std::span<const MicroBatch> parts) {
  Premises p{.memory = scope.memory(),
             .shapes = {},
             .batch = {},
             .network = {},
             .fusion = net.fusion(),
             .conv = cpu_queue().conv,
             .keeps_all = keeps_all()};
  for (const MicroBatch& part : parts) {
    p.shapes.push_back(part.images.shape());
    p.batch.push_back(place_of(part.images));
    p.batch.push_back(place_of(part.labels));
  }
  for (const auto* const all : {&net.parameters(), &net.buffers()}) {
    for (const NamedTensor& t : *all) { p.network.push_back(place_of(t.tensor)); }
  }
  return p;
}

/// What has changed, or nothing.
std::string difference(const Premises& then, const Premises& now) {
  if (now.shapes != then.shapes) { return "the batch has another shape"; }
  if (now.memory.at != then.memory.at || now.memory.bytes != then.memory.bytes) { return "the arena is another"; }
  if (now.memory.taken != then.memory.taken) {
    return fmt::format("{} blocks of the arena are taken, {} were", now.memory.taken, then.memory.taken);
  }
  if (now.batch != then.batch) { return "the batch lies elsewhere"; }
  if (now.network != then.network) { return "the network's weights lie elsewhere"; }
  if (now.fusion != then.fusion || now.conv != then.conv || now.keeps_all != then.keeps_all) {
    return "fusion, convolutions or what is kept were chosen anew";
  }
  return {};
}

}  // namespace

GraphUse graph_named(std::string_view word) {
  if (word == "auto") { return GraphUse::automatic; }
  VOX_CHECK(word == "on" || word == "off", "--graph is '{}', wants auto, on or off", word);
  return word == "on" ? GraphUse::on : GraphUse::off;
}

/// Steps of one plan.
struct StepGraphs::Kind {
  enum class State : std::uint8_t { first, followed, captured, refused };
  State state = State::first;
  PlannedBlocks blocks;  ///< of the simt device
  std::vector<Tensor> losses;
  Tensor squares;
  std::unique_ptr<Graph> graph;
  int captures = 0;
  Premises premises;
  SubmittedTraining submitted;  ///< what every launch gives, but for the number of the step
};

StepGraphs::StepGraphs(const UNet3d& net, Optimizer& optimizer, LossOptions loss, std::uint64_t seed, GraphUse use,
                       WeightAverage* average, RankSums* ranks)
    : net_(net),
      optimizer_(optimizer),
      average_(average),
      ranks_(ranks),
      loss_(std::move(loss)),
      seed_(seed),
      used_(ranks == nullptr && uses_graphs(use, net.device())) {
  if (used_) { values_ = Tensor({std::int64_t{sizeof(StepValues)}}, DType::u8, net.device()); }
}
StepGraphs::~StepGraphs() = default;

PlannedBlocks* StepGraphs::prepare(const ArenaPlan& plan, std::int64_t parts) {
  if (!used_) { return nullptr; }
  std::unique_ptr<Kind>& kind = kinds_[&plan];
  if (!kind) {
    kind = std::make_unique<Kind>();
    for (std::int64_t i = 0; i < parts; ++i) {
      kind->losses.emplace_back(Shape{1}, accumulator(net_.dtype()), net_.device());
    }
    kind->squares = Tensor({std::ssize(net_.parameters())}, DType::f64, net_.device());
  }
  return net_.device() == Device::simt ? &kind->blocks : nullptr;
}

SubmittedTraining StepGraphs::submit(const ArenaScope& scope, std::span<const MicroBatch> parts, std::uint32_t step,
                                     double lr) {
  using enum Kind::State;
  if (!used_) { return submit_plainly(parts, step, lr); }
  const auto found = kinds_.find(&scope.plan());
  VOX_CHECK(found != kinds_.end(), "step graph: a step of a plan that was not prepared");
  Kind& kind = *found->second;
  if (kind.state == first) {  // kernels are loaded, and it shows whether the plan is followed
    SubmittedTraining submitted = submit_plainly(parts, step, lr);
    kind.state = follows_plan(scope) ? followed : refused;
    if (kind.state == refused) { note("its memory was not where its plan says"); }
    return submitted;
  }
  if (kind.state == followed) {
    try {
      capture(kind, scope, parts);
      kind.state = captured;
    } catch (const Error& e) {
      kind.state = refused;
      note(e.what());
    }
  } else if (kind.state == captured) {
    const std::string changed = difference(kind.premises, premises_of(net_, scope, parts));
    if (!changed.empty()) {
      kind.graph.reset();
      kind.state = kind.captures < kMostCaptures ? first : refused;
      note(changed);
      return submit_plainly(parts, step, lr);
    }
  }
  return kind.state == captured ? launch(kind, parts, step, lr) : submit_plainly(parts, step, lr);
}

SubmittedStep StepGraphs::update(double lr, const StepValues* there) const {
  SubmittedStep step = there == nullptr ? optimizer_.submit_step(lr) : optimizer_.submit_repeatable(there);
  if (average_ != nullptr) { average_->submit(step, there); }
  return step;
}

SubmittedTraining StepGraphs::submit_plainly(std::span<const MicroBatch> parts, std::uint32_t step, double lr) const {
  SubmittedTraining s{.losses = submit_batch(net_, parts, loss_, seed_, step, nullptr, ranks_),
                      .update = update(lr, nullptr),
                      .results = {}};
  s.results = s.losses.released();
  if (s.update.squares.defined()) { s.results.push_back(std::exchange(s.update.squares, {})); }
  return s;
}

StepValues* StepGraphs::values_there() {
  return reinterpret_cast<StepValues*>(values_.mutable_values<std::uint8_t>().data());
}

void StepGraphs::capture(Kind& kind, const ArenaScope& scope, std::span<const MicroBatch> parts) {
  ++kind.captures;
  VOX_CHECK(std::ssize(parts) == std::ssize(kind.losses), "step graph: {} micro-batches, {} were prepared for",
            parts.size(), kind.losses.size());
  kind.premises = premises_of(net_, scope, parts);
  VOX_CHECK(follows_plan(scope) && kind.premises.memory.taken == kind.premises.batch.size(),
            "step graph: before the step {} blocks are taken, the batch has {}", kind.premises.memory.taken,
            kind.premises.batch.size());
  const std::int64_t steps_before = optimizer_.steps();
  auto graph = std::make_unique<Graph>(net_.device());
  weights_were_written();  // so that packing them is part of the graph
  try {
    graph->capture([&] {
      kind.submitted = {.losses = submit_batch(net_, parts, loss_, seed_, 0, values_there()),
                        .update = update(0, values_there()),
                        .results = kind.losses};
      const std::vector<Tensor> losses = kind.submitted.losses.released();
      for (std::size_t i = 0; i < losses.size(); ++i) { kind.losses[i].assign(losses[i]); }
      const Tensor squares = std::exchange(kind.submitted.update.squares, {});
      kind.squares.assign(squares);
      kind.submitted.results.push_back(kind.squares);
    });
    VOX_CHECK(follows_plan(scope) && scope.memory() == kind.premises.memory,
              "step graph: {} requests went elsewhere than planned, {} blocks outlive the step",
              scope.strays() + scope.from_pool(), scope.memory().taken - kind.premises.memory.taken);
    kind.graph = std::move(graph);
  } catch (...) {
    for (const NamedTensor& p : net_.parameters()) { Tensor(p.tensor).clear_grad(); }
    kind.submitted = {};
    optimizer_.set_steps(steps_before);
    weights_were_written();  // nothing of what was to be packed has been
    throw;
  }
  optimizer_.set_steps(steps_before);
}

SubmittedTraining StepGraphs::launch(Kind& kind, std::span<const MicroBatch> parts, std::uint32_t step, double lr) {
  const bool regions = net_.config().targets == Targets::regions;
  for (const MicroBatch& part : parts) {
    check_label_values(regions ? Op::dice_bce_loss : Op::dice_focal_loss, part.labels,
                       regions ? DiceBceLossOptions{}.classes : net_.config().classes);
  }
  StepValues values{.step = step};
  optimizer_.next_rates(lr, values);
  if (average_ != nullptr) { values.take = average_->next_take(optimizer_.steps()); }
  dispatch_device(net_.device(), [&]<class Queue>(Queue& queue) {
    if constexpr (std::is_base_of_v<DeviceQueue, Queue>) { set_step_values(queue, values, values_there()); }
  });
  kind.graph->launch();
  ++launches_;
  weights_were_written();
  SubmittedTraining submitted = kind.submitted;
  optimizer_.repeated(submitted.update);
  return submitted;
}

/// A graph writes them without asking.
void StepGraphs::weights_were_written() const {
  for (const auto* const all : {&net_.parameters(), &net_.buffers()}) {
    for (const NamedTensor& t : *all) { written(t.tensor); }
  }
}

void StepGraphs::note(const std::string& why) {
  if (!noted_.insert(why).second) { return; }
  notes_.push_back(fmt::format("a training step is not launched as a graph: {}", why));
}

}  // namespace vox
