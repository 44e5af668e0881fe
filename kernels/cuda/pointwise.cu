#include "kernels/pointwise.h"

#include "kernels/cuda/elementwise.cuh"

namespace vox {
namespace gpu {

template <class T> struct Mul {
  __device__ Acc<T> operator()(Acc<T> a, Acc<T> b) const { return a * b; }
};

template <class T> struct Scale {
  Acc<T> factor;
  __device__ Acc<T> operator()(Acc<T> x) const { return factor * x; }
};

template <class T> struct Relu {
  __device__ Acc<T> operator()(Acc<T> x) const { return x <= 0 ? Acc<T>{0} : x; }
};

template <class T> struct ReluGrad {
  __device__ Acc<T> operator()(Acc<T> y, Acc<T> dy) const { return y <= 0 ? Acc<T>{0} : dy; }
};

template <class T> struct LeakyRelu {
  Acc<T> slope;
  __device__ Acc<T> operator()(Acc<T> x) const { return x <= 0 ? slope * x : x; }
};

template <class T> struct LeakyReluGrad {
  Acc<T> slope;
  __device__ Acc<T> operator()(Acc<T> y, Acc<T> dy) const { return y <= 0 ? slope * dy : dy; }
};

}  // namespace gpu

template <class T> void mul_forward(GpuQueue& q, const MulArgs<T>& a) { gpu::map(q, a.a, a.b, a.y, gpu::Mul<T>{}); }

template <class T> void scale_forward(GpuQueue& q, const ScaleArgs<T>& a) {
  gpu::map(q, a.x, a.y, gpu::Scale<T>{static_cast<Acc<T>>(a.factor)});
}

template <class T> void relu_forward(GpuQueue& q, const ReluArgs<T>& a) { gpu::map(q, a.x, a.y, gpu::Relu<T>{}); }

template <class T> void relu_backward(GpuQueue& q, const ReluGradArgs<T>& a) {
  gpu::map(q, a.y, a.dy, a.dx, gpu::ReluGrad<T>{});
}

template <class T> void leaky_relu_forward(GpuQueue& q, const LeakyReluArgs<T>& a) {
  gpu::map(q, a.x, a.y, gpu::LeakyRelu<T>{static_cast<Acc<T>>(a.negative_slope)});
}

template <class T> void leaky_relu_backward(GpuQueue& q, const LeakyReluGradArgs<T>& a) {
  gpu::map(q, a.y, a.dy, a.dx, gpu::LeakyReluGrad<T>{static_cast<Acc<T>>(a.negative_slope)});
}

VOX_INSTANTIATE(GpuQueue, mul_forward, MulArgs);
VOX_INSTANTIATE(GpuQueue, scale_forward, ScaleArgs);
VOX_INSTANTIATE(GpuQueue, relu_forward, ReluArgs);
VOX_INSTANTIATE(GpuQueue, relu_backward, ReluGradArgs);
VOX_INSTANTIATE(GpuQueue, leaky_relu_forward, LeakyReluArgs);
VOX_INSTANTIATE(GpuQueue, leaky_relu_backward, LeakyReluGradArgs);

}  // namespace vox
