#include <cstdlib>

#include "kernels/base/check.h"
#include "tests/simt/ptx_block.h"

/// Linked into vox_ptx_tests beside the operators' cases: with VOX_PTX set to a folder of .ptx files, every launch on
/// the simt device runs what nvcc made of the kernel.
namespace {

struct Start {
  Start() {
    const char* folder = std::getenv("VOX_PTX");
    if (folder == nullptr) { return; }
    try {
      vox::ptx::interpret(folder);
    } catch (const vox::Error& e) {
      fmt::print(stderr, "{}\n", e.what());
      std::_Exit(2);
    }
  }
} start;

}  // namespace
