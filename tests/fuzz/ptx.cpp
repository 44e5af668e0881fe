// The interpreter of the tests: its input is nvcc's, and a damaged one is an error.
#include "kernels/base/check.h"
#include "tests/fuzz/target.h"
#include "tests/simt/ptx_program.h"

namespace vox::fuzz {

void fuzz_ptx(std::string_view bytes) {
  const ptx::Module module = ptx::parse(file_with("kernel.ptx", bytes));
  for (const ptx::Instruction& in : module.code) {
    require(in.target >= -1 && in.target < static_cast<int>(module.code.size()), "a branch out of the code");
    require(in.guard < module.registers, "a predicate that no thread has");
  }
}

}  // namespace vox::fuzz
