#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "engine/types.h"

namespace vox {

/// Work of this thread's queue of a device that is captured once and then submitted as often as wanted by one launch: a
/// CUDA graph, and what stands for it on the simt device. What is launched again is what was captured: the same
/// kernels, on the same addresses, with the same arguments. Whoever launches it sees to it that the memory is still
/// that of the graph.
class Graph {
 public:
  [[nodiscard]] static bool exist_on(Device);  ///< not on the CPU, where a call is no launch

  explicit Graph(Device);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  Graph(Graph&&) = delete;
  Graph& operator=(Graph&&) = delete;

  /// Calls work: its launches, its fills and its copies within the device are captured and not done. Throws what work
  /// throws, or Error where it does what CUDA refuses in a capture: waits for the device, copies to or from the host,
  /// asks the system for memory or gives it back. Nothing has been done on the device then. Once for each graph.
  void capture(const std::function<void()>& work);
  void launch() const;
  [[nodiscard]] std::size_t size() const;  ///< launches, fills and copies in it

 private:
  struct Captured;
  std::unique_ptr<Captured> captured_;
};

}  // namespace vox
