#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "benchmarks/gpu/cudnn_graph.h"
#include "benchmarks/gpu/device.h"
#include "benchmarks/gpu/probes.h"

namespace vox::gpu_bench {
namespace {

/// What all plans of one pass work on: the same bytes, whatever order their axes are said to have.
struct Memory {
  Storage x;
  Storage weight;
  Storage y;

  [[nodiscard]] cudnn::Operands operands() { return {.x = x.data(), .weight = weight.data(), .y = y.data()}; }
};

std::shared_ptr<Memory> memory_of(const ConvTask& task) {
  const Conv3dGeometry& g = task.geometry;
  auto memory = std::make_shared<Memory>();
  on_device(Device::cuda, task.dtype, [&]<class T>(auto& queue, TypeTag<T>) {
    const auto random = [&](std::int64_t elements) {
      Storage s(static_cast<std::size_t>(elements) * sizeof(T), Device::cuda);
      fill(queue, FillArgs<T>{.shape = {}, .y = {reinterpret_cast<T*>(s.data()), static_cast<std::size_t>(elements)}});
      return s;
    };
    memory->x = random(g.x.count());
    memory->weight = random(g.y.c * g.x.c * g.kernel * g.kernel * g.kernel);
    memory->y = random(g.y.count());
  });
  return memory;
}

/// Runs each plan and keeps the fastest; none where the library refuses all of them.
std::optional<Rival> fastest(const std::string& name, const std::vector<cudnn::Execution>& plans,
                             const std::shared_ptr<Memory>& memory) {
  Timer timer(Device::cuda, true);
  double best_us = std::numeric_limits<double>::infinity();
  std::optional<Rival> best;
  for (const cudnn::Execution& plan : plans) {
    const auto workspace = std::make_shared<Storage>(static_cast<std::size_t>(plan.workspace_bytes), Device::cuda);
    if (!cudnn::execute(plan, memory->operands(), workspace->data())) { continue; }
    const Rival rival{name, [plan, memory, workspace] {
                        VOX_CHECK(cudnn::execute(plan, memory->operands(), workspace->data()), "cuDNN refused a plan");
                      }};
    const double us = std::min(timer.microseconds(rival.run), timer.microseconds(rival.run));
    if (us < best_us) {
      best_us = us;
      best = rival;
    }
  }
  return best;
}

}  // namespace

std::string cudnn_version() {
  const std::size_t version = cudnnGetVersion();
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::vector<Rival> cudnn_rivals(const ConvTask& task) {
  using cudnn::Order;
  using cudnn::Precision;
  struct Variant {
    const char* name;
    Order order;
    Precision precision;
  };
  std::vector<Variant> variants{{"cudnn ndhwc", Order::ndhwc, Precision::full},
                                {"cudnn ncdhw", Order::ncdhw, Precision::full}};
  if (task.dtype == DType::f32) {
    variants.push_back({"cudnn tf32 ndhwc", Order::ndhwc, Precision::tf32});
    variants.push_back({"cudnn tf32 ncdhw", Order::ncdhw, Precision::tf32});
  }
  const std::shared_ptr<Memory> memory = memory_of(task);
  std::vector<Rival> rivals;
  for (const Variant& v : variants) {
    try {
      auto rival = fastest(v.name, cudnn::plans_for(task, v.order, v.precision), memory);
      if (rival) { rivals.push_back(*rival); }
    } catch (const Error& e) {  // one layout that it cannot do, or has no room for, is no reason to miss the others
      fmt::print(stderr, "# {}: {}\n", v.name, e.what());
    }
  }
  return rivals;
}

}  // namespace vox::gpu_bench
