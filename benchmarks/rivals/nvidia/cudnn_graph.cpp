#include "benchmarks/rivals/nvidia/cudnn_graph.h"

#include "kernels/base/check.h"

namespace vox::nvidia::cudnn {
namespace {

constexpr std::int64_t kX = 1;  // names of the tensors in the graph
constexpr std::int64_t kWeight = 2;
constexpr std::int64_t kY = 3;
constexpr std::int64_t kMostWorkspace = 8LL << 30;
constexpr std::int64_t kCandidates = 32;  ///< asked of each heuristic

Descriptor tensor(std::int64_t id, const std::array<std::int64_t, 5>& extents, DType dtype, Order order) {
  const auto& [n, c, d, h, w] = extents;
  static_cast<void>(n);
  const std::array<std::int64_t, 5> strides = order == Order::ndhwc
                                                  ? std::array{c * d * h * w, std::int64_t{1}, h * w * c, w * c, c}
                                                  : std::array{c * d * h * w, d * h * w, h * w, w, std::int64_t{1}};
  const cudnnDataType_t type = dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  constexpr std::int64_t kAlignment = 16;
  Descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type);
  t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, kAlignment);
  t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 5, extents.data());
  t.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 5, strides.data());
  t.finalise();
  return t;
}

Descriptor convolution(const Conv3dGeometry& g) {
  const std::array<std::int64_t, 3> padding{g.padding, g.padding, g.padding};
  const std::array<std::int64_t, 3> stride{g.stride, g.stride, g.stride};
  const std::array<std::int64_t, 3> ones{1, 1, 1};
  constexpr std::int64_t kAxes = 3;
  Descriptor c(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  c.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  c.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  c.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, kAxes);
  c.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 3, padding.data());
  c.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 3, padding.data());
  c.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 3, stride.data());
  c.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 3, ones.data());
  c.finalise();
  return c;
}

/// How the three passes name what they have in common.
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t x, weight, y, convolution, alpha, beta;
};
Names names_of(Conv3dPass pass) {
  switch (pass) {
    case Conv3dPass::correlate:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case Conv3dPass::spread:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case Conv3dPass::grad_weight:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  }
  VOX_FAIL("unknown pass");
}

Descriptor graph_of(const Descriptor& operation) {
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle());
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  graph.finalise();
  return graph;
}

std::vector<Descriptor> configurations(const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (!heuristic.can_finalise()) { return {}; }
  std::vector<Descriptor> found;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::int64_t i = 0; i < kCandidates; ++i) {
    found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    raw.push_back(found.back().get());
  }
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                 kCandidates, &count, raw.data()),
        "heuristic results");
  found.erase(found.begin() + std::min(count, kCandidates), found.end());
  return found;
}

/// Does the engine behind a configuration round f32 before it multiplies?
bool rounds_inputs(const Descriptor& configuration) {
  const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(configuration.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                 &count, &raw),
        "engine of a configuration");
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  check(cudnnBackendGetAttribute(raw, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, std::ssize(notes),
                                 &count, notes.data()),
        "numerical notes");
  return std::any_of(notes.begin(), notes.begin() + count, [](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
  });
}

std::optional<Execution> execution_of(const Descriptor& configuration) {
  Execution e{.plan = Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)};
  e.plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle());
  e.plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (!e.plan.can_finalise()) { return {}; }
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(e.plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count,
                                 &e.workspace_bytes),
        "workspace of a plan");
  if (e.workspace_bytes > kMostWorkspace) { return {}; }
  return e;
}

}  // namespace

Descriptor convolution_operation(const ConvTask& task, Order order) {
  const Conv3dGeometry& g = task.geometry;
  const Names names = names_of(task.pass);
  const float one = 1;
  const float none = 0;
  Descriptor operation(names.operation);
  operation.set(names.x, tensor(kX, {g.x.n, g.x.c, g.x.d, g.x.h, g.x.w}, task.dtype, order));
  operation.set(names.weight, tensor(kWeight, {g.y.c, g.x.c, g.kernel, g.kernel, g.kernel}, task.dtype, order));
  operation.set(names.y, tensor(kY, {g.y.n, g.y.c, g.y.d, g.y.h, g.y.w}, task.dtype, order));
  operation.set(names.convolution, convolution(g));
  operation.set(names.alpha, CUDNN_TYPE_FLOAT, one);
  operation.set(names.beta, CUDNN_TYPE_FLOAT, none);
  operation.finalise();
  return operation;
}

std::vector<Execution> plans_for(const ConvTask& task, Order order, Precision precision) {
  const Descriptor graph = graph_of(convolution_operation(task, order));
  std::vector<Execution> plans;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (const Descriptor& configuration : configurations(graph, mode)) {
      if (std::ssize(plans) == task.plans) { return plans; }
      if (task.dtype == DType::f32 && precision == Precision::full && rounds_inputs(configuration)) { continue; }
      if (auto execution = execution_of(configuration)) { plans.push_back(*execution); }
    }
  }
  return plans;
}

bool execute(const Execution& e, const Operands& o, void* workspace) {
  const std::array<std::int64_t, 3> ids{kX, kWeight, kY};
  const std::array<void*, 3> pointers{o.x, o.weight, o.y};
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  pack.finalise();
  return cudnnBackendExecute(handle(), e.plan.get(), pack.get()) == CUDNN_STATUS_SUCCESS;
}

}  // namespace vox::nvidia::cudnn
