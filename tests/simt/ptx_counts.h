#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/simt/builtins.h"
#include "tests/simt/ptx_program.h"

/// What kernels execute, counted while the interpreter runs nvcc's PTX. These are instructions of PTX: ptxas makes one
/// or two of some (64-bit integers), and none of others (parameters, copies between registers). Accesses and products
/// are its, too.
namespace vox::ptx {

/// Of a warp instruction. integer: also bits and 64-bit addresses; special: roots, exponentials, divisions; move:
/// between registers, comparisons, selections; parameter: a load of the kernel's arguments; matrix_load: ldmatrix;
/// product: mma; copy: cp.async; together: shuffles, votes, fences, atomics.
enum class Class : std::uint8_t {
  integer,
  f32,
  f64,
  special,
  conversion,
  move,
  branch,
  parameter,
  shared_load,
  shared_store,
  global_load,
  global_store,
  matrix_load,
  product,
  copy,
  barrier,
  together,
  count_,
};
inline constexpr std::array<std::string_view, static_cast<std::size_t>(Class::count_)> kClassNames = {
    "integer",     "f32",       "f64",         "special",      "conversion",  "move",
    "branch",      "parameter", "shared_load", "shared_store", "global_load", "global_store",
    "matrix_load", "product",   "copy",        "barrier",      "together"};

/// Instructions of a kind, without those that ask nothing of memory since no lane takes part.
struct Requests {
  std::uint64_t count = 0;
  std::uint64_t pieces = 0;  ///< sectors of global memory, wavefronts of shared memory (transactions.h)
  std::uint64_t least = 0;   ///< what they would be where all lies well
};

struct Counts {
  std::array<std::uint64_t, static_cast<std::size_t>(Class::count_)> instructions{};
  Requests loads;  ///< of global memory
  Requests stores;
  Requests copies;  ///< cp.async, what is read
  Requests shared_loads;
  Requests shared_stores;
  Requests matrix_loads;
  Requests copied;  ///< cp.async, what is written to shared memory, taken to go like a store of as many bytes

  [[nodiscard]] std::uint64_t& of(Class c) { return instructions[static_cast<std::size_t>(c)]; }
  [[nodiscard]] std::uint64_t of(Class c) const { return instructions[static_cast<std::size_t>(c)]; }
  [[nodiscard]] std::uint64_t all() const;
};

/// One launch. Of its blocks so many were run; counts are theirs together.
struct LaunchCounts {
  std::string kernel;  ///< as machine_code.limits names it: no namespaces, no parameters
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;  ///< dynamic ones
  std::uint64_t blocks_run = 0;
  Counts counts;
};

/// What launches that are interpreted do besides.
struct Watch {
  std::vector<LaunchCounts>* launches = nullptr;  ///< where each launch adds its counts; null: nothing is counted
  std::uint64_t most_blocks = 0;                  ///< of a launch so many are run, spread evenly; 0: all
};
[[nodiscard]] Watch& watch();

[[nodiscard]] Class class_of(const Instruction&);
/// "void vox::gpu::map1_kernel<vox::Bf16, (vox::Map)1>(float*)" -> "map1_kernel<Bf16,1>"
[[nodiscard]] std::string short_name(std::string_view demangled);

}  // namespace vox::ptx
