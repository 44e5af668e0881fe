#pragma once

#include "engine/context.h"

namespace vox::test {

/// While one lives the CPU runs the kernels of an instruction set, and AMX wherever its convolutions can run: shapes as
/// small as here are left to others.
class IsaScope {
 public:
  explicit IsaScope(Isa isa) : before_(cpu_queue()) {
    cpu_queue().isa = isa;
    if (isa == Isa::amx) { cpu_queue().conv = ConvChoice::amx; }
  }
  ~IsaScope() { cpu_queue() = before_; }
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;
  IsaScope(IsaScope&&) = delete;
  IsaScope& operator=(IsaScope&&) = delete;

 private:
  CpuQueue before_;
};

}  // namespace vox::test
