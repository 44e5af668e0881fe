#include "benchmarks/gpu/rivals.h"

// For programs that are not linked to cuBLAS: its columns stay empty, and the report says why.
namespace vox::gpu_bench {

std::vector<Rival> cublas_rivals(const ConvTask&) { return {}; }
std::string cublas_version() { return "not built in"; }

}  // namespace vox::gpu_bench
