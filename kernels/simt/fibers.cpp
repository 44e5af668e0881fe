#include "kernels/simt/fibers.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/base/check.h"
#include "kernels/simt/asan.h"

namespace vox::simt {
namespace {

constexpr std::size_t kStackBytes = std::size_t{kAddressSanitizer ? 256 : 64}
                                    << 10U;  // ASan: redzones around every local array
constexpr std::size_t kFibersPerSlab = 64;
constexpr std::uint64_t kCanary = 0x5AFE5AFE5AFE5AFEULL;  // at a stack's far end: gone when the stack overflowed

void check_canary(const Fiber& f) {
  std::uint64_t found = 0;
  std::memcpy(&found, f.stack, sizeof found);
  if (found != kCanary) {
    static_cast<void>(std::fputs("simt: a kernel needs more stack than a thread has, and overwrote memory\n", stderr));
    std::abort();
  }
}

}  // namespace

#ifdef __x86_64__
extern "C" void vox_simt_switch(void** save, void* resume);
// The registers that a call must keep, and the stack: all that distinguishes two fibers of one OS thread.
asm(R"(
.text
.globl vox_simt_switch
.type vox_simt_switch,@function
vox_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size vox_simt_switch,.-vox_simt_switch
.section .note.GNU-stack,"",@progbits
.text
)");

void FiberPool::arm(Fiber& f, std::size_t number) const {
  // Stacks that start at different cache sets: threads of a block use the same depths at the same time.
  auto top = reinterpret_cast<std::uintptr_t>(f.stack + f.bytes) - number * 192 % 4096;
  top &= ~std::uintptr_t{15};
  auto** slot = reinterpret_cast<void**>(top);
  *--slot = nullptr;  // a return address for the loop, which never returns
  *--slot = reinterpret_cast<void*>(loop_);
  for (int saved = 0; saved < 6; ++saved) { *--slot = nullptr; }
  f.stack_pointer = slot;
}

static void jump(Fiber& from, Fiber& to) { vox_simt_switch(&from.stack_pointer, to.stack_pointer); }
#else
void FiberPool::arm(Fiber& f, std::size_t) const {
  f.context = std::make_unique<ucontext_t>();
  getcontext(f.context.get());
  f.context->uc_stack.ss_sp = f.stack;
  f.context->uc_stack.ss_size = f.bytes;
  makecontext(f.context.get(), loop_, 0);
}

static void jump(Fiber& from, Fiber& to) {
  if (from.context == nullptr) { from.context = std::make_unique<ucontext_t>(); }
  swapcontext(from.context.get(), to.context.get());
}
#endif

FiberPool::FiberPool(void (*loop)()) : loop_(loop) {
  pthread_attr_t attributes;
  void* low = nullptr;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &low, &main_.bytes);
  pthread_attr_destroy(&attributes);
  main_.stack = static_cast<std::byte*>(low);
}

FiberPool::~FiberPool() {
  for (std::byte* slab : slabs_) { munmap(slab, kFibersPerSlab * kStackBytes); }
}

void FiberPool::grow() {
  void* slab = mmap(nullptr, kFibersPerSlab * kStackBytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (slab == MAP_FAILED) { fail<MemoryError>(__FILE__, __LINE__, "simt: no memory for the stacks of a block"); }
  slabs_.push_back(static_cast<std::byte*>(slab));
  for (std::size_t i = 0; i < kFibersPerSlab; ++i) {
    auto f = std::make_unique<Fiber>();
    f->stack = slabs_.back() + i * kStackBytes;
    f->bytes = kStackBytes;
    f->ours = true;
    std::memcpy(f->stack, &kCanary, sizeof kCanary);
    arm(*f, all_.size());
    free_.push_back(f.get());
    all_.push_back(std::move(f));
  }
}

Fiber& FiberPool::take() {
  if (free_.empty()) { grow(); }
  Fiber& f = *free_.back();
  free_.pop_back();
  return f;
}

void FiberPool::restart() {
  free_.clear();
  for (std::size_t i = 0; i < all_.size(); ++i) {
    unpoison(all_[i]->stack, all_[i]->bytes);
    all_[i]->shadow_stack = nullptr;
    arm(*all_[i], i);
    free_.push_back(all_[i].get());
  }
}

bool FiberPool::holds(const void* p) const {
  const auto* byte = static_cast<const std::byte*>(p);
  for (const std::byte* slab : slabs_) {
    if (byte >= slab && byte < slab + kFibersPerSlab * kStackBytes) { return true; }
  }
  return false;
}

void switch_fiber(Fiber& from, Fiber& to, Leave leave) {
  if (from.ours) { check_canary(from); }
  leaving_for(leave == Leave::abandoned ? nullptr : &from.shadow_stack, to.stack, to.bytes);
  jump(from, to);
  arrived(from.shadow_stack);
}

void fiber_entered() { arrived(nullptr); }

}  // namespace vox::simt
