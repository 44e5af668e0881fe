// The kernels without bugs, for nvcc: what the PTX interpreter runs to see whether kernels/cuda/ptx.h is right. And one
// that it must refuse to launch.
#include "tests/simt/convolution.cuh"
#include "tests/simt/edge.cuh"
#include "tests/simt/gemm.cuh"
#include "tests/simt/reduce.cuh"
#include "tests/simt/ring.cuh"

namespace vox::gpu {

template __global__ void gemm_kernel<planted::Gemm::correct>(const float*, const float*, float*, int, int, int);
template __global__ void reduce_kernel<planted::Reduce::correct>(const unsigned*, int, unsigned*);
template __global__ void compact_kernel<planted::Compact::correct>(const unsigned*, int, unsigned, unsigned*, int*);
template __global__ void convolution_kernel<planted::Convolution::correct>(const Bf16*, const Bf16*, float*, int, int,
                                                                           int);
template __global__ void tf32_kernel<planted::Tf32::correct>(const float*, const float*, float*);
template __global__ void ring_kernel<planted::Ring::correct>(const float*, float*, int);
template __global__ void shared_kernel<planted::Shared::correct>(float*);
template __global__ void shared_kernel<planted::Shared::not_asked_for>(float*);
template __global__ void edge_kernel<planted::Edge::correct>(const float*, float*);
template __global__ void last_block_kernel<planted::Edge::correct>(float*, unsigned*, float*);

}  // namespace vox::gpu
