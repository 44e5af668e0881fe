#include "kernels/cuda/launch.h"
#include "kernels/cuda/runtime.h"

namespace vox::cuda {

Stream::Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
Stream::~Stream() { static_cast<void>(cudaStreamDestroy(stream_)); }  // a destructor has no one to tell
void Stream::wait() const { cuda::wait(stream_); }

void wait(CUstream_st* stream) { check(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); }

Event::Event() { check(cudaEventCreate(&event_), "cudaEventCreate"); }
Event::~Event() { static_cast<void>(cudaEventDestroy(event_)); }
void Event::record(CUstream_st* stream) { check(cudaEventRecord(event_, stream), "cudaEventRecord"); }
void Event::hold_back(CUstream_st* stream) const { check(cudaStreamWaitEvent(stream, event_), "cudaStreamWaitEvent"); }
void Event::wait() const { check(cudaEventSynchronize(event_), "cudaEventSynchronize"); }
bool Event::reached() const {
  const cudaError_t code = cudaEventQuery(event_);
  if (code != cudaErrorNotReady) { check(code, "cudaEventQuery"); }
  return code == cudaSuccess;
}
float Event::milliseconds_since(const Event& start) const {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, start.event_, event_), "cudaEventElapsedTime");
  return milliseconds;
}

PinnedBytes::PinnedBytes(std::size_t bytes) {
  void* p = nullptr;
  check(cudaMallocHost(&p, bytes), "cudaMallocHost");
  bytes_.reset(p);
}
void PinnedBytes::Release::operator()(void* p) const noexcept { static_cast<void>(cudaFreeHost(p)); }

void copy_async(void* to, const void* from, std::size_t bytes, CUstream_st* stream) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
}

}  // namespace vox::cuda
