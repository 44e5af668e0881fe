// host.h - host (g++) side of simt.h.  Only thin declarations here: everything that touches the
// scheduler or the shadow memory lives in simt_rt.cpp, which is NEVER compiled with
// -fsanitize=thread, so that the check build instruments the kernels and nothing else.
#pragma once
#pragma GCC system_header
#include <cstddef>
#include <cstdint>
#include <cmath>
#include <cstring>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define SIMT_EMU 1
#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __forceinline__
#undef __launch_bounds__
#undef __noinline__
#undef __align__
#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__ __attribute__((section("simt_const")))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// a bare __shared__ must not compile on the host: it would silently become a per-thread local
#define __shared__ static_assert(false, "use SIMT_SHARED / SIMT_DYN_SHARED");
#define SIMT_UNROLL
#define SIMT_SITE const char *file_ = __builtin_FILE(), int line_ = __builtin_LINE()
#define SIMT_NOTSAN __attribute__((no_sanitize("thread")))

struct uint3 { unsigned x, y, z; };
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
namespace simt {

struct LaneCtx {               // what threadIdx & co. read
  uint3 tid, bid; dim3 bdim, gdim; unsigned linear, lane, warp;
};
}  // namespace simt
extern __thread simt::LaneCtx* simt_cur;   // lane now running on this OS thread; null on the host side

#define threadIdx (simt_cur->tid)
#define blockIdx (simt_cur->bid)
#define blockDim (simt_cur->bdim)
#define gridDim (simt_cur->gdim)
#define warpSize 32

namespace simt {
enum class Err { Deadlock, DivergentBarrier, BadMask, BadLane, Divergence, SharedOOB, GlobalOOB, Wild, UninitShared, UninitGlobal,
                 RaceShared, RaceGlobal, AsyncHazard, Misaligned, StackOverflow, ExitAtBarrier, Limit, PendingAsync, Tf32 };
const char* err_name(Err);
struct Error { Err kind; std::string msg; };
enum class Order { Forward, Reverse, Random };
struct Options {
  Order order = Order::Forward; uint64_t seed = 1; int os_threads = 1;
  bool exit_at_barrier_is_error = true;   // sm_70+ lets exited threads be absent from a barrier; we call it an error
  size_t smem_limit = 232448;             // 227 KiB (sm_90); 166912 for sm_80
  int max_errors = 20; bool trunc_mma = false;   // trunc_mma: round mma results toward zero (tensor-core-like)
};
struct Stats { uint64_t blocks = 0, lanes = 0, switches = 0, barriers = 0, warp_ops = 0, accesses = 0; };
Options& options();
Stats& stats();
std::vector<Error>& errors();            // errors since the last clear
bool checked_build();                    // true: compiled with the access checker

namespace rt {
void syncthreads(int id, int count, const char* f, int l);
int syncthreads_red(int op, int pred, const char* f, int l);
void bar_arrive(int id, int count, const char* f, int l);
void syncwarp(unsigned mask, const char* f, int l);
// src is the source lane (already clamped); name is for messages
void shfl(unsigned mask, const void* in, void* out, unsigned bytes, int src, const char* name, const char* f, int l);
unsigned ballot(unsigned mask, int pred, const char* f, int l);
unsigned match_any(unsigned mask, uint64_t v, const char* f, int l);
enum Mma { BF16_16816, F16_16816, TF32_1688 };
void mma(Mma kind, float* d, const uint32_t* a, const uint32_t* b, const float* c, const char* f, int l);
void ldmatrix(int x, bool trans, uint32_t* r, const void* p, const char* f, int l);
void cp_async(void* dst, const void* src, int bytes, int src_bytes, const char* f, int l);
void cp_commit(); void cp_wait(int n);
void mbar_init(uint64_t* m, unsigned count, const char* f, int l);
void mbar_arrive(uint64_t* m, unsigned tx, bool expect, const char* f, int l);
void mbar_wait(uint64_t* m, unsigned parity, const char* f, int l);
void bulk_g2s(void* dst, const void* src, unsigned bytes, uint64_t* m, const char* f, int l);
void* shared_static(char* site, size_t bytes, size_t align, const char* name, const char* f, int l);
void* shared_dynamic();
float atomic_add_f32(float* p, float v, const char* f, int l);
double atomic_add_f64(double* p, double v, const char* f, int l);
uint64_t atomic_int(int op, void* p, int bytes, bool sgn, uint64_t v, uint64_t cmp, const char* f, int l);
void spin(); void threadfence();
void run_grid(dim3 g, dim3 b, size_t smem, void (*entry)(void*), void* closure, size_t closure_bytes);
void* device_alloc(size_t bytes, const char* name); void device_free(void*);
void mark_init(const void* p, size_t bytes);
}  // namespace rt

// ---- cp.async, ldmatrix, mma, mbarrier: same names and signatures as the PTX side --------------
template <int BYTES> inline void cp_async(void* dst, const void* src, SIMT_SITE) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16); rt::cp_async(dst, src, BYTES, BYTES, file_, line_);
}
template <int BYTES> inline void cp_async_zfill(void* dst, const void* src, int sb, SIMT_SITE) { rt::cp_async(dst, src, BYTES, sb, file_, line_); }
inline void cp_async_commit() { rt::cp_commit(); }
template <int N> inline void cp_async_wait() { rt::cp_wait(N); }
inline void ldmatrix_x4(uint32_t (&r)[4], const void* p, SIMT_SITE) { rt::ldmatrix(4, false, r, p, file_, line_); }
inline void ldmatrix_x2(uint32_t (&r)[2], const void* p, SIMT_SITE) { rt::ldmatrix(2, false, r, p, file_, line_); }
inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* p, SIMT_SITE) { rt::ldmatrix(4, true, r, p, file_, line_); }
inline void ldmatrix_x2_trans(uint32_t (&r)[2], const void* p, SIMT_SITE) { rt::ldmatrix(2, true, r, p, file_, line_); }
inline void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4], SIMT_SITE) { rt::mma(rt::BF16_16816, d, a, b, c, file_, line_); }
inline void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4], SIMT_SITE) { rt::mma(rt::TF32_1688, d, a, b, c, file_, line_); }
inline uint32_t f32_to_tf32(float x) {   // cvt.rna.tf32.f32: round to nearest, ties away, low 13 bits cleared
  uint32_t u; std::memcpy(&u, &x, 4); if ((u & 0x7f800000u) != 0x7f800000u) u = (u + 0x1000u) & ~0x1fffu; return u;
}
using mbar_t = uint64_t;
inline void mbar_init(mbar_t* m, unsigned c, SIMT_SITE) { rt::mbar_init(m, c, file_, line_); }
inline void mbar_fence_init() {}
inline void mbar_arrive(mbar_t* m, SIMT_SITE) { rt::mbar_arrive(m, 0, false, file_, line_); }
inline void mbar_arrive_expect_tx(mbar_t* m, unsigned tx, SIMT_SITE) { rt::mbar_arrive(m, tx, true, file_, line_); }
inline void mbar_wait(mbar_t* m, unsigned parity, SIMT_SITE) { rt::mbar_wait(m, parity, file_, line_); }
inline void bulk_g2s(void* dst, const void* src, unsigned n, mbar_t* m, SIMT_SITE) { rt::bulk_g2s(dst, src, n, m, file_, line_); }

// ---- launch -------------------------------------------------------------------------------------
struct Arg { const void* p; size_t size, align; };
// when set, launches go to the PTX interpreter (src/ptx_run.cpp): same tests, nvcc's code instead of g++'s
extern bool (*ptx_hook)(void* kernel, dim3 g, dim3 b, size_t smem, const Arg* a, int n);
template <class... P> struct Closure { void (*k)(P...); std::tuple<std::decay_t<P>...> args; };
template <class... P> SIMT_NOTSAN void entry_thunk(void* c) {   // k is called through a pointer on purpose: it must not be inlined here
  auto* cl = static_cast<Closure<P...>*>(c);
  std::apply([cl](auto&... a) SIMT_NOTSAN { cl->k(a...); }, cl->args);
}
template <class... P, class... A>
void launch(void (*k)(P...), dim3 grid, dim3 block, size_t smem, void*, A... a) {
  Closure<P...> cl{k, std::tuple<std::decay_t<P>...>(static_cast<std::decay_t<P>>(a)...)};
  if (ptx_hook) {
    std::apply([&](auto&... v) { const Arg d[] = {Arg{&v, sizeof v, alignof(std::decay_t<decltype(v)>)}..., Arg{}}; ptx_hook((void*)k, grid, block, smem, d, (int)sizeof...(P)); }, cl.args);
    return;
  }
  rt::run_grid(grid, block, smem, &entry_thunk<P...>, &cl, sizeof cl);
}
bool sync_and_report();    // prints what was found since the last call, clears it; true = clean
template <class T> struct Buffer {   // "device" memory: NaN-filled (0xFF) and registered with the checkers
  T* p; size_t n;
  explicit Buffer(size_t n_, const char* name = "") : p(static_cast<T*>(rt::device_alloc(n_ * sizeof(T), name))), n(n_) {}
  Buffer(const std::vector<T>& h, const char* name = "") : Buffer(h.size(), name) { std::memcpy((void*)p, h.data(), n * sizeof(T)); rt::mark_init(p, n * sizeof(T)); }
  ~Buffer() { rt::device_free(p); }
  Buffer(const Buffer&) = delete;
  void zero() { std::memset((void*)p, 0, n * sizeof(T)); rt::mark_init(p, n * sizeof(T)); }
  std::vector<T> get() const { return std::vector<T>(p, p + n); }
  T* ptr() const { return p; }
};
}  // namespace simt

#define SIMT_SHARED(T, name, dims)                                                                         \
  static char simt_site_##name; using simt_ty_##name = T dims;                                             \
  simt_ty_##name& name = *static_cast<simt_ty_##name*>(::simt::rt::shared_static(                          \
      &simt_site_##name, sizeof(simt_ty_##name), alignof(simt_ty_##name) < 16 ? 16 : alignof(simt_ty_##name), #name, __FILE__, __LINE__))
#define SIMT_DYN_SHARED(T, name) T* name = static_cast<T*>(::simt::rt::shared_dynamic())

// ---- CUDA built-ins under their own names --------------------------------------------------------
inline void __syncthreads(SIMT_SITE) { simt::rt::syncthreads(0, 0, file_, line_); }
inline int __syncthreads_count(int p, SIMT_SITE) { return simt::rt::syncthreads_red(0, p, file_, line_); }
inline int __syncthreads_and(int p, SIMT_SITE) { return simt::rt::syncthreads_red(1, p, file_, line_); }
inline int __syncthreads_or(int p, SIMT_SITE) { return simt::rt::syncthreads_red(2, p, file_, line_); }
inline void __syncwarp(unsigned mask = 0xffffffffu, SIMT_SITE) { simt::rt::syncwarp(mask, file_, line_); }
inline unsigned __ballot_sync(unsigned mask, int p, SIMT_SITE) { return simt::rt::ballot(mask, p, file_, line_); }
inline int __any_sync(unsigned mask, int p, SIMT_SITE) { return simt::rt::ballot(mask, p, file_, line_) != 0; }
inline int __all_sync(unsigned mask, int p, SIMT_SITE) { return simt::rt::ballot(mask, p, file_, line_) == mask; }
namespace simt {
template <class T> inline T shfl_(unsigned mask, T v, int src, const char* n, const char* f, int l) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 2, "shfl of 2, 4 or 8 bytes");
  T out; rt::shfl(mask, &v, &out, sizeof(T), src, n, f, l); return out;
}
}
template <class T> inline T __shfl_sync(unsigned m, T v, int src, int w = 32, SIMT_SITE) {
  int lane = simt_cur->lane; return simt::shfl_(m, v, (lane & ~(w - 1)) | (src & (w - 1)), "__shfl_sync", file_, line_); }
template <class T> inline T __shfl_xor_sync(unsigned m, T v, int x, int w = 32, SIMT_SITE) {
  int lane = simt_cur->lane, s = lane ^ x; if (s > (lane | (w - 1))) s = lane; return simt::shfl_(m, v, s, "__shfl_xor_sync", file_, line_); }
template <class T> inline T __shfl_down_sync(unsigned m, T v, unsigned d, int w = 32, SIMT_SITE) {
  int lane = simt_cur->lane, s = lane + (int)d; if (s > (lane | (w - 1))) s = lane; return simt::shfl_(m, v, s, "__shfl_down_sync", file_, line_); }
template <class T> inline T __shfl_up_sync(unsigned m, T v, unsigned d, int w = 32, SIMT_SITE) {
  int lane = simt_cur->lane, s = lane - (int)d; if (s < (lane & ~(w - 1))) s = lane; return simt::shfl_(m, v, s, "__shfl_up_sync", file_, line_); }
inline float atomicAdd(float* p, float v, SIMT_SITE) { return simt::rt::atomic_add_f32(p, v, file_, line_); }
inline double atomicAdd(double* p, double v, SIMT_SITE) { return simt::rt::atomic_add_f64(p, v, file_, line_); }
inline int atomicAdd(int* p, int v, SIMT_SITE) { return (int)simt::rt::atomic_int(0, p, 4, true, (uint32_t)v, 0, file_, line_); }
inline unsigned atomicAdd(unsigned* p, unsigned v, SIMT_SITE) { return (unsigned)simt::rt::atomic_int(0, p, 4, false, v, 0, file_, line_); }
inline unsigned long long atomicAdd(unsigned long long* p, unsigned long long v, SIMT_SITE) { return simt::rt::atomic_int(0, p, 8, false, v, 0, file_, line_); }
inline int atomicMax(int* p, int v, SIMT_SITE) { return (int)simt::rt::atomic_int(1, p, 4, true, (uint32_t)v, 0, file_, line_); }
inline unsigned atomicMax(unsigned* p, unsigned v, SIMT_SITE) { return (unsigned)simt::rt::atomic_int(1, p, 4, false, v, 0, file_, line_); }
inline unsigned atomicExch(unsigned* p, unsigned v, SIMT_SITE) { return (unsigned)simt::rt::atomic_int(2, p, 4, false, v, 0, file_, line_); }
inline unsigned atomicCAS(unsigned* p, unsigned c, unsigned v, SIMT_SITE) { return (unsigned)simt::rt::atomic_int(3, p, 4, false, v, c, file_, line_); }
inline void __threadfence() { simt::rt::threadfence(); }
inline void __threadfence_block() {}
inline void __nanosleep(unsigned) { simt::rt::spin(); }
template <class T> inline T __ldg(const T* p) { return *p; }
inline float __uint_as_float(unsigned u) { float f; std::memcpy(&f, &u, 4); return f; }
inline unsigned __float_as_uint(float f) { unsigned u; std::memcpy(&u, &f, 4); return u; }
inline float __expf(float x) { return std::exp(x); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
template <class T> inline T min(T a, T b) { return b < a ? b : a; }
template <class T> inline T max(T a, T b) { return a < b ? b : a; }
