#include "engine/graph.h"

#include "engine/context.h"
#include "kernels/base/check.h"
#include "kernels/cuda/runtime.h"
#include "kernels/simt/recording.h"

namespace vox {

struct Graph::Captured {
  Device device;
  cuda::Graph graph;
  simt_device::Recording recording;

  void begin() { device == Device::cuda ? cuda::Graph::begin(cuda_queue().stream) : recording.begin(); }
  void end() { device == Device::cuda ? graph.end(cuda_queue().stream) : recording.end(); }
  void abandon() noexcept { device == Device::cuda ? cuda::Graph::abandon(cuda_queue().stream) : recording.abandon(); }
};

bool Graph::exist_on(Device device) { return device != Device::cpu; }

Graph::Graph(Device device) : captured_(std::make_unique<Captured>()) {
  VOX_CHECK(exist_on(device), "graph: there are none on {}", name(device));
  captured_->device = device;
}
Graph::~Graph() = default;

void Graph::capture(const std::function<void()>& work) {
  VOX_CHECK(size() == 0, "graph: it holds {} captured pieces of work already", size());
  captured_->begin();
  try {
    work();
  } catch (...) {
    captured_->abandon();
    throw;
  }
  captured_->end();
}

void Graph::launch() const {
  captured_->device == Device::cuda ? captured_->graph.launch(cuda_queue().stream) : captured_->recording.replay();
}

std::size_t Graph::size() const {
  return captured_->device == Device::cuda ? captured_->graph.size() : captured_->recording.size();
}

}  // namespace vox
