#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/simt/memory.h"

namespace vox::planted {

struct Case {
  const char* kernel;
  int bug;  ///< 0: none
  const char* what;
  bool (*run)();  ///< true when the values are right; throws what the executor found
};

[[nodiscard]] std::vector<Case> matrix_cases();  ///< gemm, convolution, tf32
[[nodiscard]] std::vector<Case> thread_cases();  ///< reduce, compact, shared, ring, edge

/// Device memory with a copy in and out.
template <class T> class DeviceArray {
 public:
  DeviceArray(std::size_t count, const char* name)
      : count_(count), data_(static_cast<T*>(simt_device::allocate(count * sizeof(T), name))) {}
  DeviceArray(const std::vector<T>& host, const char* name) : DeviceArray(host.size(), name) {
    simt_device::copy_in(data_, host.data(), count_ * sizeof(T));
  }
  ~DeviceArray() { simt_device::release(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::vector<T> host() const {
    std::vector<T> h(count_);
    simt_device::copy_out(h.data(), data_, count_ * sizeof(T));
    return h;
  }

 private:
  std::size_t count_;
  T* data_;
};

/// In [-1,1), the same everywhere.
inline std::vector<float> uniform(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> v(count);
  for (float& x : v) { x = static_cast<float>(random() % 2048U) / 1024.0F - 1.0F; }
  return v;
}

inline bool close(const std::vector<float>& got, const std::vector<double>& want, double allowed) {
  if (got.size() != want.size()) { return false; }
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::abs(static_cast<double>(got[i]) - want[i]) <= allowed)) { return false; }
  }
  return true;
}

}  // namespace vox::planted
