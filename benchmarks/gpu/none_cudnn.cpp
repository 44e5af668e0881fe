#include "benchmarks/gpu/rivals.h"

// For programs that are not linked to cuDNN: its columns stay empty, and the report says why.
namespace vox::gpu_bench {

std::vector<Rival> cudnn_rivals(const ConvTask&) { return {}; }
std::string cudnn_version() { return "not built in"; }

}  // namespace vox::gpu_bench
