#pragma once

#include <cudnn.h>

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "benchmarks/rivals/nvidia/library.h"
#include "engine/storage.h"

/// As much of cuDNN's graph interface (cudnn_graph.h of cuDNN 9) as one convolution needs.
namespace vox::nvidia::cudnn {

void check(cudnnStatus_t, const char* call);
[[nodiscard]] cudnnHandle_t handle();  ///< one for the process, on the stream of the benchmark's queue

/// A backend descriptor that destroys itself; copies share it.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t);
  [[nodiscard]] cudnnBackendDescriptor_t get() const { return made_.get(); }
  void set(cudnnBackendAttributeName_t, cudnnBackendAttributeType_t, std::int64_t count, const void* values);
  template <class T> void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set(name, type, 1, &value);
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& part);
  void finalise();
  [[nodiscard]] bool can_finalise();

 private:
  std::shared_ptr<void> made_;
};

enum class Order : unsigned char { ndhwc, ncdhw };
/// May f32 be rounded to TF32 for the tensor cores?
enum class Precision : unsigned char { full, tf32 };

/// x, weight and y of one convolution by address; the order of axes is the graph's business.
struct Operands {
  void* x = nullptr;
  void* weight = nullptr;
  void* y = nullptr;
};

/// One way to compute it, ready to run.
struct Execution {
  Descriptor plan;
  std::int64_t workspace_bytes = 0;
};

/// The operation graph of one pass with one convolution in it.
[[nodiscard]] Descriptor convolution_operation(const ConvTask&, Order);
/// The first plans that the heuristics name and the library accepts, best guess first.
[[nodiscard]] std::vector<Execution> plans_for(const ConvTask&, Order, Precision);
/// false where the library refuses to run it.
[[nodiscard]] bool execute(const Execution&, const Operands&, void* workspace);

}  // namespace vox::nvidia::cudnn
