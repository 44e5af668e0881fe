#pragma once

#include <bitset>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// PTX, read from what nvcc writes. Source: NVIDIA, "Parallel Thread Execution ISA". A subset: what is outside of it is
/// an error that names the statement.
namespace vox::ptx {

enum class Op : std::uint8_t {
  mov,
  ld,
  st,
  add,
  sub,
  mul,
  mad,
  fma,
  div,
  rem,
  min,
  max,
  neg,
  abs,
  bit_and,
  bit_or,
  bit_xor,
  bit_not,
  shl,
  shr,
  setp,
  selp,
  cvt,
  cvta,
  bra,
  ret,
  call,
  bar,
  shfl,
  vote,
  mma,
  ldmatrix,
  cp,
  atom,
  red,
  popc,
  clz,
  brev,
  bfe,
  bfi,
  prmt,
  lop3,
  shf,
  sqrt,
  rsqrt,
  rcp,
  ex2,
  lg2,
  sin,
  cos,
  copysign,
  membar,
  fence,
  mbarrier,
  trap,
};

/// Words after the dots. A word that is not listed here is refused: it might change what the instruction does.
enum class Mod : std::uint8_t {
  rn,
  rz,
  rm,
  rp,
  rni,
  rzi,
  rmi,
  rpi,
  ftz,
  sat,
  relu,
  approx,
  full,
  lo,
  hi,
  wide,
  uni,
  sync,
  aligned,
  warp,
  lt,
  le,
  gt,
  ge,
  eq,
  ne,
  ls,
  hs,
  ltu,
  leu,
  gtu,
  geu,
  equ,
  neu,
  num,
  nan,
  bit_and,
  bit_or,
  bit_xor,
  global,
  shared,
  local,
  param,
  constant,
  nc,
  v2,
  v4,
  to,
  relaxed,
  acquire,
  release,
  cta,
  gpu,
  sys,
  cluster,
  gl,
  up,
  down,
  bfly,
  idx,
  ballot,
  any,
  all,
  add,
  min,
  max,
  exch,
  cas,
  inc,
  l,
  r,
  clamp,
  wrap,
  b32_array,
  m16n8k16,
  m16n8k8,
  m8n8,
  x2,
  x4,
  row,
  col,
  trans,
  async,
  bulk,
  cg,
  ca,
  commit_group,
  wait_group,
  wait_all,
  init,
  arrive,
  expect_tx,
  try_wait,
  test_wait,
  parity,
  complete_tx,
  mbarrier_init,
  volatile_,
};

enum class Kind : std::uint8_t { bits, signed_int, unsigned_int, floating, bf16, bf16_pair, tf32, predicate };
struct Type {
  Kind kind = Kind::bits;
  int bits = 32;
  [[nodiscard]] int bytes() const { return bits / 8; }
};

struct Operand {
  enum class What : std::uint8_t { reg, immediate, special, vector, memory, label, ignored };
  What what = What::immediate;
  int reg = -1;
  bool negated = false;
  bool parameter = false;      ///< a register that stands for a parameter of a called function
  std::uint64_t value = 0;     ///< of an immediate; of memory at a fixed address
  std::int64_t offset = 0;     ///< of memory
  std::vector<Operand> parts;  ///< of a vector; the base of memory
  std::string text;
};

struct Instruction {
  Op op = Op::mov;
  std::string text;
  int guard = -1;  ///< predicate register
  bool guard_negated = false;
  Type type;  ///< the last one named
  Type to;    ///< the one before it: what cvt makes
  std::bitset<128> mods;
  std::vector<Operand> operands;
  int target = -1;  ///< of a branch or a call: index of an instruction
  std::string callee;
  [[nodiscard]] bool has(Mod m) const { return mods[static_cast<std::size_t>(m)]; }
};

struct Parameter {
  std::string name;
  std::size_t offset;
  std::size_t bytes;
};

struct Function {
  std::string name;
  bool is_kernel = false;
  int entry = 0;  ///< index of the first instruction
  std::vector<Parameter> parameters;
  std::size_t parameter_bytes = 0;
  std::vector<int> parameter_registers;  ///< of a function that is called: values come in registers
  int result_register = -1;
  int register_count = 0;
  std::size_t shared_bytes = 0;  ///< of its own arrays, which follow those of the file
  std::map<std::string, int> registers;
  std::set<std::string> value_parameters;  ///< names that stand for a register, not for memory
  std::map<std::string, int> labels;
  std::map<std::string, std::uint64_t> symbols;
};

/// One .ptx file. All functions share one list of instructions. Registers are numbered per kernel; those of functions
/// that are called follow, each with its own: none of them recurses.
struct Module {
  std::vector<Instruction> code;
  std::map<std::string, Function> functions;
  std::map<std::string, std::uint64_t> symbols;
  std::deque<std::vector<std::uint64_t>> statics;  ///< global and constant memory
  int registers = 0;
  std::size_t shared_bytes = 0;
  std::size_t local_bytes = 0;
};

inline constexpr std::size_t kFileShared = 48 * 1024;  ///< shared memory of the file's own arrays: static, so no more

/// Generic addresses of the two spaces that are not plain memory, and what stands for the dynamic shared memory.
inline constexpr std::uint64_t kSharedWindow = 0x7100000000000000ULL;
inline constexpr std::uint64_t kLocalWindow = 0x7200000000000000ULL;
inline constexpr std::uint64_t kWindowMask = 0xFF00000000000000ULL;
inline constexpr std::uint64_t kDynamicShared = 0xD1D1D1D1D1D1D1D1ULL;

[[nodiscard]] Module parse(const std::string& path);
/// Opcode, types and words of "fma.rn.f32". Throws when one of them is not known.
void decode_name(std::string_view name, Instruction&);
[[nodiscard]] bool parse_type(std::string_view word, Type&);

}  // namespace vox::ptx
