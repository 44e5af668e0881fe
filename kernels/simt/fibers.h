#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace vox::simt {

/// A stack that can be left in the middle of a function and come back to.
struct Fiber {
#ifdef __x86_64__
  void* stack_pointer = nullptr;
#else
  std::unique_ptr<ucontext_t> context;
#endif
  std::byte* stack = nullptr;
  std::size_t bytes = 0;
  bool ours = false;             ///< of a pool, not the OS thread's own
  void* shadow_stack = nullptr;  ///< AddressSanitizer's, kept while the fiber is away
};

/// The stacks of one OS thread. A fiber that is given back stays where it left off, in its loop, and resumes there.
class FiberPool {
 public:
  explicit FiberPool(void (*loop)());  ///< what every fiber runs, for ever
  ~FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  [[nodiscard]] Fiber& take();
  void give_back(Fiber& f) { free_.push_back(&f); }
  void restart();  ///< after a fault: what every fiber was in the middle of is forgotten
  [[nodiscard]] Fiber& main() { return main_; }
  [[nodiscard]] bool holds(const void* p) const;

 private:
  void grow();
  void arm(Fiber&, std::size_t number) const;

  void (*loop_)();
  Fiber main_;  ///< the OS thread's own stack
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> free_;
  std::vector<std::byte*> slabs_;
};

/// Leaves `from`, which must be the one that runs, and goes on with `to`. A fiber that is abandoned never comes back.
enum class Leave : unsigned char { parked, abandoned };
void switch_fiber(Fiber& from, Fiber& to, Leave = Leave::parked);
void fiber_entered();  ///< what a fiber calls first

}  // namespace vox::simt
