#include "kernels/check.h"
#include "kernels/queue.h"
#include "kernels/simt/cuda.h"

namespace vox::gpu {

void throw_faults(const char* kernel, const char* file, int line) {
  std::string all;
  for (const auto& e : ::simt::errors()) { all += "\n  " + e.msg; }
  if (all.empty()) { return; }
  ::simt::errors().clear();
  VOX_FAIL("kernel {} launched at {}:{}:{}", kernel, file, line, all);
}

}  // namespace vox::gpu
