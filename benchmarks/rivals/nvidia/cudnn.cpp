#include <fmt/core.h>

#include <array>
#include <limits>
#include <memory>
#include <optional>

#include "benchmarks/measure/device_clock.h"
#include "benchmarks/measure/probes.h"
#include "benchmarks/rivals/nvidia/cudnn_graph.h"
#include "benchmarks/workloads/kernel_operands.h"
#include "engine/dispatch.h"
#include "kernels/base/check.h"

namespace vox::nvidia {
namespace {

/// What all plans of one pass work on: the same bytes, whatever order their axes are said to have.
struct Memory {
  Tensor x;
  Tensor weight;
  Tensor y;

  [[nodiscard]] cudnn::Operands operands() { return {.x = start_of(x), .weight = start_of(weight), .y = start_of(y)}; }

 private:
  static void* start_of(Tensor& t) {
    void* start = nullptr;
    dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) { start = t.mutable_values<T>().data(); });
    return start;
  }
};

std::shared_ptr<Memory> memory_of(const ConvTask& task) {
  const Conv3dGeometry& g = task.geometry;
  const auto random = [&](std::int64_t count, std::uint32_t seed) {
    return bench::random_plain({count}, task.dtype, Device::cuda, seed);
  };
  return std::make_shared<Memory>(Memory{
      random(g.x.count(), 1), random(g.y.c * g.x.c * g.kernel * g.kernel * g.kernel, 2), random(g.y.count(), 3)});
}

/// Runs each plan and keeps the fastest; none where the library refuses all of them.
std::optional<Way> fastest(const std::string& name, const std::vector<cudnn::Execution>& plans,
                           const std::shared_ptr<Memory>& memory, double& best_s) {
  bench::DeviceClock clock(Device::cuda);
  std::optional<Way> best;
  for (const cudnn::Execution& plan : plans) {
    const auto workspace = std::make_shared<Storage>(static_cast<std::size_t>(plan.workspace_bytes), Device::cuda);
    if (!cudnn::execute(plan, memory->operands(), workspace->data())) { continue; }
    const Way way{name, [plan, memory, workspace] {
                    VOX_CHECK(cudnn::execute(plan, memory->operands(), workspace->data()), "cuDNN refused a plan");
                  }};
    for (int trial = 0; trial < 2; ++trial) {
      bench::flush_level2(Device::cuda);
      const double taken_s = bench::measured_on(clock, way.run).wall_s;
      if (taken_s < best_s) {
        best_s = taken_s;
        best = way;
      }
    }
  }
  return best;
}

}  // namespace

std::string library_name() {
  const std::size_t version = cudnnGetVersion();
  return fmt::format("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

/// The faster of both orders of axes comes first.
std::vector<Way> ways_of(const ConvTask& task) {
  struct Variant {
    const char* name;
    cudnn::Order order;
  };
  const std::shared_ptr<Memory> memory = memory_of(task);
  const cudnn::Precision precision = task.tf32 ? cudnn::Precision::tf32 : cudnn::Precision::full;
  double best_s = std::numeric_limits<double>::infinity();
  std::vector<Way> ways;
  std::string refused;
  for (const Variant& v : std::array{Variant{"ndhwc", cudnn::Order::ndhwc}, Variant{"ncdhw", cudnn::Order::ncdhw}}) {
    try {
      if (auto way = fastest(v.name, cudnn::plans_for(task, v.order, precision), memory, best_s)) {
        ways.insert(ways.begin(), *std::move(way));
      }
    } catch (const Error& e) {  // one order that it cannot do, or has no room for, is no reason to miss the other
      refused += fmt::format("{}{}: {}", refused.empty() ? "" : "; ", v.name, e.what());
    }
  }
  VOX_CHECK(!ways.empty() || refused.empty(), "{}", refused);
  return ways;
}

}  // namespace vox::nvidia
