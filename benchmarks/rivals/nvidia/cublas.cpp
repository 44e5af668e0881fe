#include <cublas_v2.h>
#include <fmt/core.h>

#include <array>
#include <memory>

#include "benchmarks/rivals/nvidia/library.h"
#include "benchmarks/workloads/kernel_operands.h"
#include "engine/context.h"
#include "kernels/base/check.h"

namespace vox::nvidia {
namespace {

void check(cublasStatus_t status, const char* call) {
  VOX_CHECK(status == CUBLAS_STATUS_SUCCESS, "{}: {}", call, cublasGetStatusString(status));
}

/// One handle for the process, on the stream of the benchmark's queue.
cublasHandle_t handle() {
  static const auto made = [] {
    cublasHandle_t h = nullptr;
    check(cublasCreate(&h), "cublasCreate");
    return std::shared_ptr<cublasContext>(h, [](cublasHandle_t old) { static_cast<void>(cublasDestroy(old)); });
  }();
  check(cublasSetStream(made.get(), cuda_queue().stream), "cublasSetStream");
  return made.get();
}

/// Row-major: x is [voxels, inner] (a window's taps and channels beside each other), y is [voxels, outer], the weight
/// [inner, outer].
struct Product {
  Tensor x{};
  Tensor y{};
  Tensor weight{};
  int voxels = 0;
  int inner = 0;
  int outer = 0;
  Conv3dPass pass = Conv3dPass::correlate;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
};

const void* bytes_of(const Tensor& t) {
  return t.dtype() == DType::bf16 ? static_cast<const void*>(t.values<Bf16>().data()) : t.values<float>().data();
}
void* mutable_bytes_of(Tensor& t) {
  return t.dtype() == DType::bf16 ? static_cast<void*>(t.mutable_values<Bf16>().data())
                                  : t.mutable_values<float>().data();
}

/// A row-major matrix is the transpose of a column-major one, so every product is written for the transposes.
void multiply(Product& p) {
  const cudaDataType_t type = p.x.dtype() == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const float one = 1;
  const float none = 0;
  const auto gemm = [&](cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k, const Tensor& a, int lda,
                        const Tensor& b, int ldb, Tensor& c, int ldc) {
    check(cublasGemmEx(handle(), op_a, op_b, m, n, k, &one, bytes_of(a), type, lda, bytes_of(b), type, ldb, &none,
                       mutable_bytes_of(c), type, ldc, p.compute, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
  };
  switch (p.pass) {
    case Conv3dPass::correlate:  // y = x * weight
      return gemm(CUBLAS_OP_N, CUBLAS_OP_N, p.outer, p.voxels, p.inner, p.weight, p.outer, p.x, p.inner, p.y, p.outer);
    case Conv3dPass::spread:  // x = y * weight^T
      return gemm(CUBLAS_OP_T, CUBLAS_OP_N, p.inner, p.voxels, p.outer, p.weight, p.outer, p.y, p.outer, p.x, p.inner);
    case Conv3dPass::grad_weight:  // weight = x^T * y
      return gemm(CUBLAS_OP_N, CUBLAS_OP_T, p.outer, p.inner, p.voxels, p.y, p.outer, p.x, p.inner, p.weight, p.outer);
  }
}

}  // namespace

std::string library_name() {
  std::array<int, 3> parts{};
  for (const libraryPropertyType part : {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL}) {
    check(cublasGetProperty(part, &parts.at(static_cast<std::size_t>(part))), "cublasGetProperty");
  }
  return fmt::format("cuBLAS {}.{}.{}", parts[0], parts[1], parts[2]);
}

std::vector<Way> ways_of(const ConvTask& task) {
  const Conv3dGeometry& g = task.geometry;
  if (g.stride != g.kernel || g.padding != 0) { return {}; }
  const auto p = std::make_shared<Product>();
  p->pass = task.pass;
  p->voxels = static_cast<int>(g.y.n * g.y.voxels());
  p->inner = static_cast<int>(g.x.c * g.kernel * g.kernel * g.kernel);
  p->outer = static_cast<int>(g.y.c);
  p->x = bench::random_plain({p->voxels, p->inner}, task.dtype, Device::cuda, 1);
  p->y = bench::random_plain({p->voxels, p->outer}, task.dtype, Device::cuda, 2);
  p->weight = bench::random_plain({p->inner, p->outer}, task.dtype, Device::cuda, 3);
  if (task.tf32) { p->compute = CUBLAS_COMPUTE_32F_FAST_TF32; }
  return {{"gemm", [p] { multiply(*p); }}};
}

}  // namespace vox::nvidia
