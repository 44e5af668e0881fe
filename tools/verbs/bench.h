#pragma once

namespace vox {

/// `voxgrad bench …`: becomes the program vox_bench, given main()'s arguments. Throws Error where there is none.
[[noreturn]] void run_bench(int argc, char** argv);

}  // namespace vox
