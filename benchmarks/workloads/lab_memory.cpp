#include <cmath>

#include "benchmarks/workloads/kernel_operands.h"
#include "benchmarks/workloads/lab.h"
#include "engine/context.h"
#include "engine/kept.h"

namespace vox::bench {

void want_fit(const LabOptions& o, bool training, const std::string& what) {
  const UNetConfig net = config_of(o.preset, o.widths);
  const double voxels = static_cast<double>(o.batch) * std::pow(static_cast<double>(o.size), 3);
  const double host = voxels * (static_cast<double>(net.in_channels) * sizeof(float) + 1);
  // First without integers, which some sizes overflow: the images, the first layer's result and the weights.
  double least = host + voxels * 2 * static_cast<double>(net.widths.front());
  for (std::size_t l = 1; l < net.widths.size(); ++l) {
    least += 27 * 4 * static_cast<double>(net.widths[l - 1]) * static_cast<double>(net.widths[l]);
  }
  const Device device = select_device(o.device);
  want_memory(what, least, device);
  set_keep_all(device == Device::cuda && !o.recompute);
  StepRequest request;
  request.config = net;
  request.dtype = dtype_named(o.dtype);
  request.device = device;
  request.extents = cube(o.size);
  request.batch = o.batch;
  request.fusion = fusion_named(o.fusion);
  const StepPlan plan = training ? plan_training(request) : plan_inference(request);
  want_memory(what, static_cast<double>(plan.system_bytes()) + (device == Device::cuda ? 0 : host), device);
}

}  // namespace vox::bench
