#include "kernels/cuda/launch.h"
#include "kernels/cuda/runtime.h"

namespace vox::cuda {
namespace {

struct Captured {
  Captured() = default;
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  ~Captured() {
    if (graph != nullptr) { static_cast<void>(cudaGraphDestroy(graph)); }
  }
  cudaGraph_t graph = nullptr;
};

}  // namespace

Graph::~Graph() {
  if (graph_ == nullptr) { return; }
  static_cast<void>(cudaStreamSynchronize(stream_));  // it may be under way
  static_cast<void>(cudaGraphExecDestroy(graph_));    // a destructor has no one to tell
}

// Of this thread alone: those of the loader may go on asking for page-locked memory.
void Graph::begin(CUstream_st* stream) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
}

void Graph::end(CUstream_st* stream) {
  Captured captured;
  stream_ = stream;
  const cudaError_t code = cudaStreamEndCapture(stream, &captured.graph);
  if (code != cudaSuccess) { static_cast<void>(cudaGetLastError()); }  // it is not sticky: no other call must see it
  check(code, "cudaStreamEndCapture");
  check(cudaGraphGetNodes(captured.graph, nullptr, &nodes_), "cudaGraphGetNodes");
  check(cudaGraphInstantiate(&graph_, captured.graph, 0), "cudaGraphInstantiate");
}

void Graph::abandon(CUstream_st* stream) noexcept {
  Captured captured;
  static_cast<void>(cudaStreamEndCapture(stream, &captured.graph));
  static_cast<void>(cudaGetLastError());
}

void Graph::launch(CUstream_st* stream) const { check(cudaGraphLaunch(graph_, stream), "cudaGraphLaunch"); }

}  // namespace vox::cuda
