#include "benchmarks/gpu/rivals.h"

// For builds without cuDNN or cuBLAS: the columns stay empty, and the report says why.
namespace vox::gpu_bench {

#ifndef VOX_BENCH_CUDNN
std::vector<Rival> cudnn_rivals(const ConvTask&) { return {}; }
std::string cudnn_version() { return "not built in"; }
#endif

#ifndef VOX_BENCH_CUBLAS
std::vector<Rival> cublas_rivals(const ConvTask&) { return {}; }
std::string cublas_version() { return "not built in"; }
#endif

}  // namespace vox::gpu_bench
