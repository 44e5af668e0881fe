#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <map>

#include "kernels/base/check.h"
#include "kernels/simt/launch.h"
#include "tests/simt/ptx_counts.h"
#include "tests/simt/ptx_program.h"
#include "tests/simt/transactions.h"

/// Executes the instructions of one block, a warp at a time. What is checked is that nvcc's code and the inline PTX
/// compute the right values; races and asynchronous copies are the business of kernels/simt.
namespace vox::ptx {

struct PendingCopy {
  std::byte* to;
  const std::byte* from;
  std::size_t bytes;
  std::size_t zeros;
};

struct Frame {
  int return_to;
  int result;         ///< register of the caller, or -1
  int callee_result;  ///< register of the callee
};

/// What a lane has apart from its registers.
struct LaneState {
  int pc = 0;
  std::vector<Frame> frames;
  std::vector<std::byte> local;
  std::vector<PendingCopy> copies;
  std::vector<std::size_t> groups;
};

struct WarpState {
  unsigned first_thread = 0;
  unsigned exist = 0;
  unsigned done = 0;
  unsigned at_barrier = 0;
  std::array<LaneState, kLanes> lanes;
  std::vector<std::uint64_t> registers;  ///< [register][lane]
};

struct PhaseBarrier {
  unsigned count;
  unsigned pending;
  std::int64_t bytes;
  unsigned phase;
};

class Block {
 public:
  /// counts: where it adds what it executes, or null.
  Block(const Module&, const Function&, const simt::Launch&, Counts* counts);
  void run(const uint3& index);

 private:
  bool step(WarpState&);  ///< one instruction of the lanes that are furthest behind; false when all wait or are done
  void count(const Instruction&, unsigned lanes);
  void execute(const Instruction&, unsigned lanes);
  void flow(const Instruction&, unsigned lanes);
  void scalar(const Instruction&, unsigned lane);
  void integer(const Instruction&, unsigned lane);
  void bit_field(const Instruction&, unsigned lane);
  void floating(const Instruction&, unsigned lane);
  void compare(const Instruction&, unsigned lane);
  void convert(const Instruction&, unsigned lane);
  void move(const Instruction&, unsigned lane);
  void memory(const Instruction&, unsigned lane);
  void atomic(const Instruction&, unsigned lane);
  void copy(const Instruction&, unsigned lane);
  bool phase_barrier(const Instruction&, unsigned lane);  ///< false: has to wait
  void shuffle(const Instruction&, unsigned lanes);
  void vote(const Instruction&, unsigned lanes);
  void load_matrices(const Instruction&);
  void multiply(const Instruction&);
  void flip(PhaseBarrier&);

  [[nodiscard]] std::uint64_t get(const Operand&, unsigned lane) const;
  void put(const Operand&, unsigned lane, std::uint64_t, int bits);
  [[nodiscard]] std::uint64_t special(const Operand&, unsigned lane) const;
  [[nodiscard]] std::uint64_t address(const Operand&, unsigned lane) const;
  [[nodiscard]] std::byte* at(const Instruction&, unsigned lane, std::uint64_t address, std::size_t bytes);
  [[noreturn]] void refuse(const Instruction&, const char* why) const;

  const Module& m_;
  const Function& f_;
  const simt::Launch& launch_;
  Counts* counts_;
  uint3 index_{};
  std::vector<std::byte> parameters_;
  std::vector<std::byte> shared_;
  std::size_t dynamic_at_ = 0;
  std::vector<WarpState> warps_;
  WarpState* warp_ = nullptr;  ///< the one that runs
  std::map<std::uint64_t, PhaseBarrier> barriers_;
  int failed_waits_ = 0;
};

[[nodiscard]] constexpr std::uint64_t low_bits(std::uint64_t v, int bits) {
  return bits >= 64 ? v : v & ((std::uint64_t{1} << static_cast<unsigned>(bits)) - 1);
}
[[nodiscard]] constexpr std::int64_t sign_extended(std::uint64_t v, int bits) {
  const auto up = static_cast<unsigned>(64 - bits);
  return static_cast<std::int64_t>(v << up) >> up;
}
[[nodiscard]] double to_double(std::uint64_t bits, const Type&);
[[nodiscard]] std::uint64_t from_double(double, const Type&);

/// Makes launches of the simt device run the PTX of all files in a folder.
void interpret(const std::string& folder);

}  // namespace vox::ptx
